"""What a bad input may cost: some seconds, some memory, and nothing outside of the folder that is its own."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

LIMIT_S = 300
"""Wall time, and so generous: it is there for what never ends, on machines that do other things too."""
MEMORY_BYTES = 768 << 20
"""Beyond what the process has before the case."""

_WRITES = {
    "os.mkdir": (0, 2),
    "os.rename": (1, 3),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.truncate": (0, None),
    "os.chmod": (0, 2),
    "os.chown": (0, 3),
    "os.utime": (0, 3),
    "sqlite3.connect": (0, None),
}
"""Events with the places of the path and of the open folder that it may be relative to."""
_ADDRESSES = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind"})
_PROGRAMS = frozenset({"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pty.spawn"})


class TooLate(BaseException):
    """No `TimeoutError`: that is an `OSError`, which readers take for a bad file."""


@dataclass(kw_only=True)
class Witness:
    """What was done while it looked: names of events with their first argument."""

    folders: tuple[str, ...]
    seen: list[str] = field(default_factory=list)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An event of the interpreter."""
        if event in _ADDRESSES or event in _PROGRAMS:
            self.seen.append(f"{event} {arguments[0]!r}")
        elif event == "open" and _is_writing(arguments):
            self._note_path(event, arguments[0])
        elif event in _WRITES:
            path, folder = _WRITES[event]
            self._note_path(event, arguments[path], arguments[folder] if folder is not None else -1)

    def _note_path(self, event: str, path: Any, folder: int = -1) -> None:
        if isinstance(path, int):
            return
        name = os.fsdecode(path).removeprefix("file://").partition("?")[0]
        place = os.path.realpath(name if folder == -1 else f"/proc/self/fd/{folder}/{name}")
        is_own = any(place.startswith(folder + os.sep) or place == folder for folder in self.folders)
        if not is_own and place != os.devnull and not re.search(r"(^|/)__pycache__(/|$)", place):
            self.seen.append(f"{event} {name}")


_witnesses: list[Witness] = []
_is_hooked = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for witness in _witnesses:
        witness.note(event, arguments)


def _is_writing(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


@contextmanager
def contained(*folders: Path, memory_bytes: int = MEMORY_BYTES) -> Iterator[None]:
    """Run a case under the limits.

    Args:
        folders: where it may write.
        memory_bytes: what it may take beyond what is taken.

    Raises:
        TooLate: it took longer than `LIMIT_S`.
        MemoryError: it wanted more.
        AssertionError: it wrote elsewhere, asked for an address or started a program.
    """
    global _is_hooked
    if not _is_hooked:  # a hook stays for the life of the interpreter
        sys.addaudithook(_hook)
        _is_hooked = True
    witness = Witness(folders=tuple(os.path.realpath(folder) for folder in folders))
    _witnesses.append(witness)
    try:
        with _time_limit(), _memory_limit(memory_bytes):
            yield
    finally:
        _witnesses.remove(witness)
    assert not witness.seen, f"done outside of {folders}: {witness.seen}"


@contextmanager
def _time_limit() -> Iterator[None]:
    def late(_number: int, _frame: FrameType | None) -> None:
        raise TooLate(f"longer than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory_limit(n_bytes: int) -> Iterator[None]:
    # Memory that can be written; address space would count what threads and libraries reserve and never touch.
    taken = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert taken
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(taken[1]) * 1024 + n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def pattern(message: str) -> re.Pattern[str]:
    """A message as a pattern: '#' stands for a number, '~' for what depends on the machine.

    >>> bool(pattern("page at byte #: ~").fullmatch("page at byte 12: cut"))
    True
    """
    return re.compile(re.escape(message).replace(r"\#", r"-?\d+").replace(r"\~", ".*"), re.DOTALL)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file below a folder with its kind, size and time of change; links are not followed."""
    found = {}
    for root, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            status = os.lstat(os.path.join(root, name))
            n_bytes = status.st_size if not os.path.isdir(os.path.join(root, name)) else 0
            found[os.path.relpath(os.path.join(root, name), folder)] = (status.st_mode, n_bytes, status.st_mtime_ns)
    return found
