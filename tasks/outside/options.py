"""Settings of a suite's source, from `--suite-set` and from a mapping file that names columns by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aqaa_eval.core.errors import DataError, UnknownName, UsageError
from aqaa_eval.core.plain_file import read_plain_text
from aqaa_eval.core.plain_yaml import MAX_CHARACTERS, YamlError, load_yaml
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.tasks.outside.fields import FIELDS

_SETTINGS = ("columns", "config", "default_language", "repo", "revision", "root", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How a source is to be read.

    Attributes:
        columns: column names by field, where they are given by hand.
        categories: suite ids by label, where they are given by hand.
        repo: another copy of a data set that goes by a name of its own, on the hub or on disk; "" for the usual one.
        revision: commit, tag or branch on the hub.
        config: name of a subset on the hub.
        split: name of a split; "" to choose.
        root: folder of the recordings; None for the table's own.
        language: of questions that do not tell, and whose words do not either; "" if it is not known.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    repo: str = ""
    revision: str = "main"
    config: str = ""
    split: str = ""
    root: Path | None = None
    language: str = ""


def parse_source_options(given: Mapping[str, OptionValue]) -> SourceOptions:
    """Check the settings of a source.

    Raises:
        UnknownName: a setting or a field that there is not.
        UsageError, DataError: the mapping file cannot be read.

    >>> parse_source_options({"audio": "wav_1,wav_2", "default_language": "zh"}).columns
    {'audio': ('wav_1', 'wav_2')}
    """
    columns: dict[str, tuple[str, ...]] = {}
    categories: dict[str, str] = {}
    if "columns" in given:
        columns, categories = _read_mapping(Path(str(given["columns"])))
    for name, value in given.items():
        if name in FIELDS:
            columns[name] = _names(value, name)
        elif name not in _SETTINGS:
            raise UnknownName("setting of a suite's source", name, [*_SETTINGS, *FIELDS])
    if "root" in given and not Path(str(given["root"])).is_dir():
        raise UsageError(f"--suite-set root={given['root']}: no such folder; the recordings lie below it")
    return SourceOptions(
        columns=columns,
        categories=categories,
        repo=str(given.get("repo", "")),
        revision=str(given.get("revision", "main")),
        config=str(given.get("config", "")),
        split=str(given.get("split", "")),
        root=Path(str(given["root"])) if "root" in given else None,
        language=str(given.get("default_language", "")),
    )


def _read_mapping(path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """A YAML or JSON file of `columns` and `categories`; a file of fields alone is taken for columns."""
    try:
        text = read_plain_text(path, max_bytes=4 * MAX_CHARACTERS)
    except OSError as error:
        raise UsageError(f"--suite-set columns={path}: cannot be read ({error.strerror})") from error
    try:
        values: Any = json.loads(text) if path.suffix == ".json" else load_yaml(text)
    except (ValueError, YamlError, RecursionError) as error:
        raise DataError(f"{path}: not readable: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: a mapping of fields to columns is needed, this is a {type(values).__name__}")
    by_field = values.get("columns", {} if "categories" in values else values)
    labels = values.get("categories", {})
    if not isinstance(by_field, dict) or not isinstance(labels, dict):
        raise DataError(f"{path}: columns and categories are mappings, such as columns: {{audio: wav_path}}")
    for name in by_field:
        if name not in FIELDS:
            raise UnknownName(f"field in {path}", str(name), FIELDS)
    columns = {name: _names(value, f"{path}: {name}") for name, value in by_field.items()}
    return columns, {str(label): str(suite) for label, suite in labels.items()}


def _names(value: object, what: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else str(value).split(",") if value is not None else []
    found = tuple(str(name).strip() for name in names if str(name).strip())
    if not found:
        raise UsageError(f"{what}: name a column, or several by comma")
    return found
