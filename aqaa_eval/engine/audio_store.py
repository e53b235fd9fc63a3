"""The sound of a run: `audio/`, answers as FLAC by content hash, questions as the bytes that were asked."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.core.errors import AudioError, DataError
from aqaa_eval.core.inside import below
from aqaa_eval.core.sample import AudioFile


class AudioStore:
    """Files are named by content, written whole under another name first, and never changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._has_new_names = False

    def put(self, audio: Audio) -> str:
        """Store an answer durably; returns its file name."""
        name = f"{audio.content_hash[:32]}.flac"
        if name not in self._known:
            self._write(name, encode_audio(audio), durable=True)
        return name

    def put_question(self, file: AudioFile, encoded: bytes) -> str:
        """Keep a copy of a question beside the answers, so that the run folder stands alone; returns its name."""
        suffix = Path(file.path.name).suffix or ".audio"
        name = f"{(file.sha256 or hashlib.sha256(encoded).hexdigest())[:32]}{suffix}"
        if name not in self._known:
            # It can be had again from the suite: not worth a wait for the disk.
            self._write(name, encoded, durable=False)
        return name

    def get(self, name: str) -> Audio:
        """Read a stored file.

        Raises:
            AudioError: missing, malformed, or not in this folder: a run may come from anyone.
        """
        try:
            return read_audio(below(self._folder, name), name=name)
        except DataError as error:
            raise AudioError(str(error)) from error

    def _write(self, name: str, encoded: bytes, *, durable: bool) -> None:
        path = self._folder / name
        if not path.exists():
            # A name for each writer: two conversations may hear the same answer at once.
            part = path.with_name(f"{name}.{os.getpid()}-{threading.get_ident()}.part")
            try:
                with part.open("wb") as file:
                    file.write(encoded)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                part.replace(path)
            except OSError as error:
                raise DataError(f"{path}: cannot write ({error.strerror}); free the disk, then run again") from error
            self._has_new_names = True
        self._known.add(name)

    def sync(self) -> None:
        """Make the names of all files so far durable, not only their bytes."""
        if not self._has_new_names:
            return
        # Before the call: a file that another thread adds meanwhile is for the next one.
        self._has_new_names = False
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
