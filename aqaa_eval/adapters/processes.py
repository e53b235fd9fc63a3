"""A child process that is talked to over its standard input and output, with a deadline on every read and write.

Whatever the child does, its parent never waits longer than it said: a child that hangs, floods or dies is found, named
and ended with all that it started. What it writes to standard error goes to a log of bounded size.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO

MAX_LOG_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 4096
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
_MIN_SECRET = 8


class ChildEnded(Exception):
    """The child closed its output or ended; the message says how."""


class ChildFlooded(Exception):
    """The child wrote more than it may."""


class ChildProcess:
    """One running child, the leader of its own session."""

    def __init__(
        self, command: Sequence[str], *, log: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it.

        Args:
            command: program and arguments, no shell.
            log: file that its standard error is added to; None keeps only the tail.
            environment: variables beside those of this process.

        Raises:
            OSError: it cannot be started.
        """
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # so that it is ended with all that it started, and Ctrl-C leaves it to us
            env={**os.environ, **(environment or {})},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        self._buffer = bytearray()
        self._log = LogTail(self._process.stderr, log)
        self._finalizer = weakref.finalize(self, _end, self._process, self._log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def last_line(self) -> str:
        """The last line on its standard error; "" if there is none."""
        return self._log.last_line

    def write(self, data: bytes, *, deadline_s: float) -> None:
        """Send bytes.

        Args:
            data: what to send.
            deadline_s: on the clock of `time.monotonic`.

        Raises:
            ChildEnded: it no longer reads.
            TimeoutError: it did not take them all in time.
        """
        left = memoryview(data)
        while left:
            _wait(self._input, select.POLLOUT, deadline_s)
            try:
                left = left[os.write(self._input, left[:65536]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChildEnded(self.describe_end()) from error

    def read(self, n_bytes: int, *, deadline_s: float) -> bytes:
        """Receive exactly so many bytes.

        Raises:
            ChildEnded: it ended before.
            TimeoutError: they did not come in time.
        """
        while len(self._buffer) < n_bytes:
            self._receive(deadline_s)
        return self._take(n_bytes)

    def read_line(self, *, max_bytes: int, deadline_s: float) -> bytes:
        """Receive up to the next line end, which is left out.

        Raises:
            ChildFlooded: no line end within `max_bytes`.
            ChildEnded: it ended before.
            TimeoutError: the line did not come in time.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > max_bytes:
                raise ChildFlooded(f"a line of more than {max_bytes} bytes on standard output")
            self._receive(deadline_s)
        return self._take(end + 1)[:-1]

    def _receive(self, deadline_s: float) -> None:
        _wait(self._output, select.POLLIN, deadline_s)
        try:
            received = os.read(self._output, 1 << 20)
        except BlockingIOError:
            return
        if not received:
            raise ChildEnded(self.describe_end())
        self._buffer += received

    def _take(self, n_bytes: int) -> bytes:
        taken = bytes(self._buffer[:n_bytes])
        del self._buffer[:n_bytes]
        return taken

    def describe_end(self) -> str:
        """How it ended, waiting a moment for it to do so; then the last line of its log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._log.settle()
        said = f"; the last line of its log: {self.last_line}" if self.last_line else ""
        return describe_code(self._process.poll()) + said

    def end(self) -> None:
        """End it with all that it started. Harmless if it has ended."""
        self._finalizer()


def describe_code(code: int | None) -> str:
    """What an exit code says.

    >>> describe_code(-9), describe_code(3), describe_code(None)
    ('was killed by SIGKILL', 'ended with exit code 3', 'closed its output')
    """
    if code is None:
        return "closed its output"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


class LogTail:
    """Reads a child's standard error in a thread: the end is kept, the rest goes to a file of bounded size.

    Values of environment variables that are named as secrets (`OPENAI_API_KEY`) are blanked on the way.
    """

    def __init__(self, stream: IO[bytes], path: Path | None) -> None:
        self._stream = io.BufferedReader(stream)  # type: ignore[type-var]  # a raw pipe, read byte by byte otherwise
        self._tail = b""
        self._secrets = secrets_of(os.environ)
        self._file = path.open("ab") if path else None
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    @property
    def last_line(self) -> str:
        """The last line with anything in it."""
        lines = self._tail.decode(errors="replace").splitlines()
        return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "")

    def settle(self, timeout_s: float = 1.0) -> None:
        """Wait until all is read, if the child is at its end."""
        self._thread.join(timeout_s)

    def _pump(self) -> None:
        n_left = MAX_LOG_BYTES
        with contextlib.ExitStack() as stack:
            stack.callback(self._stream.close)
            if self._file:
                stack.enter_context(self._file)
            while line := self._stream.readline(65536):
                for secret in self._secrets:
                    line = line.replace(secret, b"***")
                self._tail = (self._tail + line)[-TAIL_BYTES:]
                if self._file and n_left > 0:
                    _append(self._file, line[:n_left])
                    n_left -= len(line)


def _append(file: BinaryIO | IO[bytes], line: bytes) -> None:
    with contextlib.suppress(OSError):  # a full disk must not stop the pump, which would stop the child
        file.write(line)
        file.flush()


def secrets_of(environment: Mapping[str, str]) -> list[bytes]:
    """The values that must not be written anywhere.

    >>> secrets_of({"OPENAI_API_KEY": "sk-123456789", "HOME": "/home/jane", "HF_TOKEN": "x"})
    [b'sk-123456789']
    """
    named = (value for name, value in environment.items() if _SECRET_NAME.search(name.upper()))
    return sorted({value.encode() for value in named if len(value) >= _MIN_SECRET}, key=len, reverse=True)


def _wait(handle: int, event: int, deadline_s: float) -> None:
    """Wait until something can be done with a pipe; an end of it counts too."""
    poller = select.poll()
    poller.register(handle, event)
    if not poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
        raise TimeoutError


def _end(process: subprocess.Popen[bytes], log: LogTail) -> None:
    end_session(process)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    log.settle()


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a session leader and everything in its session's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
