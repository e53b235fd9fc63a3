"""Names of files that stand in data: they lead to what lies below one folder, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from aqaa_eval.core.errors import DataError


def leads_out(name: str) -> bool:
    r"""Whether a name may mean something outside of the folder that it is relative to.

    >>> [leads_out(name) for name in ("a/b.wav", "../b.wav", "/etc/passwd", "a\\..\\b.wav", "b\0.wav", "", ".")]
    [False, True, True, True, True, True, True]
    """
    place = PurePosixPath(name)
    return not place.parts or place.is_absolute() or ".." in place.parts or "\\" in name or "\0" in name


def below(root: Path, name: str) -> Path:
    """The place of a name below a folder; nothing needs to be there.

    Raises:
        DataError: it lies elsewhere, by its name or by a link.
    """
    if leads_out(name):
        raise DataError(f"{name!r} leaves the folder {root.name}; give a path below it, with '/'")
    path = root / name
    if "/" not in name and not path.is_symlink():
        return path
    real, base = os.path.realpath(path), os.path.realpath(root)
    if not real.startswith(base.rstrip(os.sep) + os.sep):
        raise DataError(f"{name!r} leaves the folder {root.name} by a link; put the file itself there")
    return path
