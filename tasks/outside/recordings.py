"""Finding a recording by the name that a row gives it, in a folder whose layout is not known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aqaa_eval.core.container import AUDIO_SUFFIXES
from aqaa_eval.tasks.fault import Fault


class Recordings:
    """All sound files below some folders, found by the end of their path.

    A row may say "audios/a.wav", "a.wav" or "/home/maker/set/audios/a.wav": the file meant is the one that shares the
    longest end with it, in the first folder that has one. Only files that lie below the folders are ever given, links
    not followed.
    """

    def __init__(self, *roots: Path) -> None:
        self._root_of: dict[Path, int] = {}
        for number, root in enumerate(roots):
            for path in _files(root.resolve()):
                self._root_of.setdefault(path, number)
        self._by_name: dict[str, list[Path]] = {}
        for path in self._root_of:
            for name in {path.name, path.stem}:
                self._by_name.setdefault(name, []).append(path)

    def __len__(self) -> int:
        return len(self._root_of)

    def __call__(self, name: str) -> Path:
        """The file that a row means.

        Raises:
            Fault: there is none, or several fit equally well.
        """
        place = PurePosixPath(name.replace("\\", "/"))
        if ".." in place.parts or "\0" in name:
            raise Fault("audio", f"{name!r} leaves the folder of the recordings; give a path below it")
        found = self._by_name.get(place.name, [])
        if not found:
            raise Fault("audio", f"{name!r} is not among the {len(self)} recordings; unpack all of them")
        scores = [(_n_shared(place.parts, path.parts), -self._root_of[path]) for path in found]
        best = [path for path, score in zip(found, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            raise Fault("audio", f"{name!r} fits {len(best)} recordings, such as {best[0]} and {best[1]}")
        return best[0]


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root, followlinks=False):
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in AUDIO_SUFFIXES and not path.is_symlink():
                yield path


def _n_shared(wanted: tuple[str, ...], found: tuple[str, ...]) -> int:
    """How many last parts two paths have in common, the suffix of the file aside.

    >>> _n_shared(("audios", "a.wav"), ("home", "audios", "a.wav"))
    2
    """
    n = 1
    while n < min(len(wanted), len(found)) and wanted[-n - 1] == found[-n - 1]:
        n += 1
    return n
