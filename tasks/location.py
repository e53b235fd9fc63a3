"""Where a recording named by a manifest lies: below the suite's folder, and nowhere else."""

from __future__ import annotations

import os
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from aqaa_eval.core.inside import is_too_long, leads_out
from aqaa_eval.tasks.fault import Fault


class Locator:
    """Turns the names of a manifest into places below one folder; each folder is looked at once."""

    def __init__(self, root: Traversable | Path) -> None:
        self._root = root
        self._real: dict[Path, str] = {}

    def locate(self, name: str, field: str) -> Traversable | Path:
        """The place of a recording, which need not be there.

        Args:
            name: as the manifest gives it, with '/'.
            field: what errors call it.

        Raises:
            Fault: it lies outside of the folder, by its name or by a link.
        """
        if leads_out(name) or ":" in name:
            raise Fault(field, f"{name!r} leaves the suite's folder; give a path below it, with '/'")
        if is_too_long(name):
            raise Fault(field, f"{name[:80]!r}... is longer than the name of a file can be; shorten it")
        location = self._root.joinpath(*PurePosixPath(name).parts)
        if isinstance(location, Path) and isinstance(self._root, Path):
            if location.is_symlink():
                raise Fault(field, f"{name!r} is a link; put the recording itself into the folder")
            if not self._is_inside(location.parent):
                raise Fault(field, f"{name!r} leaves the suite's folder by a link; put the folder itself there")
        return location

    def _is_inside(self, folder: Path) -> bool:
        assert isinstance(self._root, Path)
        root, real = self._resolved(self._root), self._resolved(folder)
        return real == root or real.startswith(root.rstrip(os.sep) + os.sep)

    def _resolved(self, folder: Path) -> str:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]
