"""The sound of a run: `audio/`, answers as FLAC by content hash, questions as the bytes that were asked.

A stage only writes; `sync` makes durable what was written so far, in the thread that then commits the records. So no
stage waits for the disk, and no record is durable before its sound is.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.core.errors import AudioError, DataError
from aqaa_eval.core.inside import below
from aqaa_eval.core.sample import AudioFile

N_SYNCS = 8
"""Files that wait for the disk at once: it takes several in hardly more time than one."""


class AudioStore:
    """Files are named by content, written whole under another name first, and never changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._unsafe: list[Path] = []

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
        suffix = Path(file.path.name).suffix or ".audio"
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

    def _write(self, name: str, encoded: bytes) -> Path:
        path = self._folder / name
        # One of another length is what a power cut left of it.
        if not path.exists() or path.stat().st_size != len(encoded):
            # A name for each writer: two conversations may hear the same answer at once.
            part = path.with_name(f"{name}.{os.getpid()}-{threading.get_ident()}.part")
            try:
                part.write_bytes(encoded)
                part.replace(path)
            except OSError as error:
                part.unlink(missing_ok=True)
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
        _sync_all([self._folder])


def _sync_all(paths: list[Path]) -> None:
    if len(paths) == 1:
        _sync(paths[0])
        return
    with ThreadPoolExecutor(min(N_SYNCS, len(paths))) as pool:
        list(pool.map(_sync, paths))  # waits for all, and raises what one raised


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot write ({error.strerror}); free the disk, then give the same command again")
