"""The sound of a run: `audio/`, answers as FLAC by content hash, questions as the bytes that were asked.

A stage only writes; `sync` makes durable what was written so far, in the thread that then commits the records. So no
stage waits for the disk, and no record is durable before its sound is.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.core.errors import AudioError, DataError
from aqaa_eval.core.inside import below
from aqaa_eval.core.sample import AudioFile

N_SYNCS = 64
"""Files that wait for the disk at once: it takes several in hardly more time than one."""


class AudioStore:
    """Files are named by content, written whole under another name first, and never changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._unsafe: list[str] = []

    def put(self, audio: Audio) -> str:
        """Store an answer, durable after the next `sync`; returns its file name."""
        name = f"{audio.content_hash[:32]}.flac"
        if name not in self._known:
            path = self._write(name, encode_audio(audio))
            with self._lock:
                self._unsafe.append(path)
        return name

    def put_question(self, file: AudioFile, encoded: bytes) -> str:
        """Keep a copy of a question beside the answers, so that the run folder stands alone; returns its name."""
        suffix = os.path.splitext(file.path.name)[1] or ".audio"
        name = f"{(file.sha256 or hashlib.sha256(encoded).hexdigest())[:32]}{suffix}"
        if name not in self._known:
            # It can be had again from the suite: not worth a wait for the disk.
            self._write(name, encoded)
        return name

    def get(self, name: str) -> Audio:
        """Read a stored file.

        Raises:
            AudioError: missing, malformed, or not in this folder: a run may come from anyone.
        """
        return read_audio(self._place(name), name=name)

    def discard(self, name: str) -> None:
        """Remove a damaged file, so that the same sound can be stored anew."""
        self._known.discard(name)
        self._place(name).unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        try:
            return below(self._folder, name)
        except DataError as error:
            raise AudioError(str(error)) from error

    def _write(self, name: str, encoded: bytes) -> str:
        path = f"{self._folder}/{name}"  # a string: pathlib would take as long as the system
        # One of another length is what a power cut left of it.
        if _size(path) != len(encoded):
            # A name for each writer: two conversations may hear the same answer at once.
            part = f"{path}.{os.getpid()}-{threading.get_ident()}.part"
            try:
                _write_new(part, encoded)
                os.replace(part, path)
            except OSError as error:
                with suppress(OSError):
                    os.unlink(part)
                raise _cannot_write(path, error) from error
        self._known.add(name)
        return path

    def sync(self) -> None:
        """Make durable all answers that were stored by now, with their names.

        Raises:
            DataError: the disk does not take them.
        """
        with self._lock:
            paths, self._unsafe = self._unsafe, []
        if not paths:
            return
        _sync_all(paths)
        _sync_all([str(self._folder)])


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _write_new(path: str, encoded: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(encoded)
        while left:
            left = left[os.write(handle, left) :]
    finally:
        os.close(handle)


def _sync_all(paths: Sequence[str]) -> None:
    """Wait until the disk has the files.

    All are sent on their way first. Then the first wait is for all of them, and the others hardly wait: one by one,
    each would be a commit of the file system's journal, and a thread for each costs more than the rest of the engine.
    """
    for start in range(0, len(paths), N_SYNCS):
        with ExitStack() as opened:
            handles = [(path, _open_to_sync(path, opened)) for path in paths[start : start + N_SYNCS]]
            for _, handle in handles:
                with suppress(OSError, AttributeError):  # a file system or a system without it waits longer
                    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            for path, handle in handles:
                _sync(path, handle)


def _open_to_sync(path: str, opened: ExitStack) -> int:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_write(path, error) from error
    opened.callback(os.close, handle)
    return handle


def _sync(path: str, handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: str, error: OSError) -> DataError:
    return DataError(f"{path}: cannot write ({error.strerror}); free the disk, then give the same command again")
