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


def is_too_long(name: str) -> bool:
    """Whether no file can have such a name; asking the system for one is an error and no answer.

    >>> is_too_long("a/b.wav"), is_too_long("a" * 300), is_too_long("a/" * 3000)
    (False, True, True)
    """
    return len(name) > 1024 or any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in name.split("/"))


def below(root: Path, name: str) -> Path:
    """The place of a name below a folder; nothing needs to be there.

    Raises:
        DataError: it lies elsewhere, by its name or by a link.
    """
    if leads_out(name):
        raise DataError(f"{name!r} leaves the folder {root.name}; give a path below it, with '/'")
    if is_too_long(name):
        raise DataError(f"{name[:80]!r}... is longer than the name of a file can be; shorten it")
    path = root / name
    if "/" not in name and not path.is_symlink():
        return path
    real, base = os.path.realpath(path), os.path.realpath(root)
    if not real.startswith(base.rstrip(os.sep) + os.sep):
        raise DataError(f"{name!r} leaves the folder {root.name} by a link; put the file itself there")
    return path
