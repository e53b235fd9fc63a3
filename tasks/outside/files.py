"""`--suite FILE`: a table of conversations in a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.tasks.outside.build import About, find_assembly, suite_of
from aqaa_eval.tasks.outside.options import parse_source_options
from aqaa_eval.tasks.outside.table import read_table
from aqaa_eval.tasks.suite import FolderSuite

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


def load(argument: str, options: Mapping[str, OptionValue], *, strict: bool = False) -> list[FolderSuite]:
    """A JSONL, CSV, TSV or parquet file whose rows name recordings, hold them, or are written questions with answers.

    Raises:
        DataError: it cannot be read, or holds nothing to ask; the message lists its columns.
    """
    settings = parse_source_options(options)
    path = Path(argument)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: a suite is a folder or a file of {', '.join(SUFFIXES)}")
    table = read_table(path)
    assembly = find_assembly(table, settings)
    about = About(id=path.stem, title=path.stem, source=path.name, licence="not stated", version="local")
    return [suite_of(table, assembly, about, root=settings.root or table.root, strict=strict)]
