"""The sound of a run outside its folder: any place that fsspec knows, such as s3://bucket/run or memory://run.

The workers of a cluster write there themselves; the records name the files as ever. What a file system needs (s3fs,
gcsfs) and its keys come from the environment, as fsspec has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import AudioError, DataError, UsageError
from aqaa_eval.engine.audio_store import AudioStore


def open_audio(folder: Path, url: str = "") -> AudioStore:
    """The store of a run's sound.

    Args:
        folder: the run's own `audio/`.
        url: where the sound is instead; "" for the folder.

    Raises:
        UsageError: the place cannot be opened.
    """
    if not url:
        return AudioStore(folder)
    if "://" not in url:
        path = Path(url)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--audio-store {url}: cannot be made ({error.strerror})") from error
        return AudioStore(path)
    return RemoteAudioStore(url)


class RemoteAudioStore(AudioStore):
    """Files by content hash under a URL. A file that was cut has another length, and is written again."""

    def __init__(self, url: str) -> None:
        """Open the place.

        Raises:
            UsageError: fsspec does not know it, or lacks a package for it.
        """
        from fsspec.core import url_to_fs

        super().__init__(Path())
        if "@" in url:
            raise UsageError("--audio-store holds a user or password; give keys by the environment")
        self._url = url.rstrip("/")
        try:
            self._files, self._root = url_to_fs(self._url)
            self._files.makedirs(self._root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise UsageError(f"--audio-store {url}: cannot be opened ({error})") from error

    def get(self, name: str) -> Audio:
        """Read a stored file.

        Raises:
            AudioError: it is not there, or damaged.
        """
        try:
            encoded: bytes = self._files.cat_file(self._remote(name))
        except OSError as error:
            raise AudioError(f"{name}: cannot be read from {self._url} ({error})") from error
        return read_audio(encoded, name=name)

    def discard(self, name: str) -> None:
        """Remove a damaged file, so that the same sound can be stored anew."""
        self._known.discard(name)
        if self._files.exists(self._remote(name)):
            self._files.rm_file(self._remote(name))

    def sync(self) -> None:
        """Nothing waits: what an object store has taken is kept."""
        self._unsafe = []

    def _write(self, name: str, encoded: bytes) -> str:
        place = self._remote(name)
        try:
            if self._size(place) != len(encoded):
                self._files.pipe_file(place, encoded)
        except OSError as error:
            raise DataError(f"{self._url}/{name}: cannot be written ({error}); give the same command again") from error
        self._known.add(name)
        return name

    def _size(self, place: str) -> Any:
        try:
            return self._files.size(place)
        except FileNotFoundError:
            return None

    def _remote(self, name: str) -> str:
        return f"{self._root}/{name}"
