"""A table of conversations, read from JSON lines, CSV, parquet or an Arrow table, with what its columns hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.plain_file import read_plain
from aqaa_eval.tasks.fault import Fault
from aqaa_eval.tasks.manifest import is_deep, parse_json
from aqaa_eval.tasks.outside.columns import AUDIO, AUDIOS, OBJECTS, TEXT, TEXTS, Column
from aqaa_eval.tasks.outside.embedded import Embedded, embed

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TABLE_BYTES = 1 << 30
MAX_RATIO, MIN_UNPACKED_BYTES = 100, 1 << 27
_N_LOOKED_AT = 50
_SAMPLE_CHARS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its values, or what is wrong with it.

    Attributes:
        line: line of a text file, or place in a table, from 1.
    """

    line: int
    values: Mapping[str, Any] | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows and columns.

    Attributes:
        name: what messages call it.
        root: folder that its paths are relative to; None if it has none.
    """

    name: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    root: Path | None


def read_table(path: Path) -> Table:
    """Read a table by its suffix: .jsonl, .csv, .tsv or .parquet.

    Raises:
        DataError: it cannot be read, is in another encoding, or holds no row.
    """
    if path.suffix.lower() == ".parquet":
        return read_parquet([path], name=path.name)
    try:
        encoded = read_plain(path, max_bytes=MAX_TABLE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    encoded = _without_mark(encoded, path)
    rows = _json_rows(encoded) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows(encoded, path)
    return make_table(path.name, rows, root=path.parent)


def make_table(name: str, rows: Sequence[Row], *, root: Path | None) -> Table:
    """A table of rows, whose columns are told from the first rows.

    Raises:
        DataError: there is no row.
    """
    if not rows:
        raise DataError(f"{name}: holds no row")
    return Table(name=name, rows=tuple(rows), columns=_columns_of(rows), root=root)


def read_parquet(paths: Sequence[Path], *, name: str) -> Table:
    """Read parquet files as one table.

    Raises:
        DataError: one is no parquet file, or has other columns than the first.
    """
    import pyarrow as pa

    for path in paths:
        if not path.is_file():  # opening a pipe would wait for its writer
            raise DataError(f"{path}: not a regular file; download the table again")
    try:
        tables = [_unpacked(path) for path in paths]
        whole = pa.concat_tables(tables, promote_options="default")
    except (OSError, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}: not readable as parquet ({str(error).splitlines()[0]})") from error
    return arrow_table(whole, name=name, root=paths[0].parent)


def _unpacked(path: Path) -> pa.Table:
    """The whole file, as long as it is what its size may hold: one value can stand for millions of equal ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_bytes, limit, batches = 0, MAX_RATIO * path.stat().st_size + MIN_UNPACKED_BYTES, []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=64):
            n_bytes += batch.nbytes
            if n_bytes > limit:
                raise DataError(f"{path}: unpacks to more than {MAX_RATIO} times its size; write it without repetition")
            batches.append(batch)
        return pa.Table.from_batches(batches, schema=file.schema_arrow)


def arrow_table(table: pa.Table, *, name: str, root: Path | None) -> Table:
    """An Arrow table; embedded recordings stay in it until they are asked for."""
    names = table.column_names
    rows = []
    for index, cells in enumerate(zip(*(column for column in table.columns), strict=True)):
        values = {key: _plain(cell, f"row{index}-{key}") for key, cell in zip(names, cells, strict=True)}
        rows.append(Row(line=index + 1, values=values))
    return make_table(name, rows, root=root)


def _plain(cell: Any, place: str) -> Any:
    """A value in plain Python; bytes, and structs of bytes and path, become recordings."""
    import pyarrow as pa

    if not cell.is_valid:
        return None
    if isinstance(cell, pa.ExtensionScalar):
        return _plain(cell.value, place)
    if isinstance(cell, pa.StructScalar):
        if "bytes" in cell and pa.types.is_binary(cell["bytes"].type) | pa.types.is_large_binary(cell["bytes"].type):
            path = cell["path"].as_py() if "path" in cell else None
            return embed(cell["bytes"], path=path, place=place) if cell["bytes"].is_valid else path
        return {key: _plain(value, f"{place}-{key}") for key, value in cell.items()}
    if isinstance(cell, pa.ListScalar):
        return [_plain(item, f"{place}-{index}") for index, item in enumerate(cell.values)]
    if pa.types.is_binary(cell.type) or pa.types.is_large_binary(cell.type):
        return embed(cell, path=None, place=place)
    return cell.as_py()


def _without_mark(encoded: bytes, path: Path) -> bytes:
    """The bytes without a UTF-8 mark; files that are plainly in UTF-16 or UTF-32 are refused."""
    for mark, name in ((b"\xff\xfe\x00\x00", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if encoded.startswith(mark):
            raise DataError(f"{path}: is in {name}; save it as UTF-8: {_iconv(path, name)}")
    return encoded.removeprefix(b"\xef\xbb\xbf")


def _iconv(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 {path.name} > {path.stem}.utf8{path.suffix}"


def _json_rows(encoded: bytes) -> list[Row]:
    rows = []
    for line, text in enumerate(encoded.split(b"\n"), 1):
        if text.strip():
            try:
                rows.append(Row(line=line, values=parse_json(text)))
            except Fault as fault:
                rows.append(Row(line=line, fault=fault))
    return rows


def _csv_rows(encoded: bytes, path: Path) -> list[Row]:
    try:
        text = encoded.decode("utf-8")
    except UnicodeDecodeError as error:
        line = encoded[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 (byte {encoded[error.start]:#04x}); find out its encoding, such as GB18030, "
            f"SHIFT_JIS or CP1252, and save it as UTF-8: {_iconv(path, 'ENCODING')}"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, path), strict=True)
    rows: list[Row] = []
    try:
        head = [name.strip() for name in next(reader, [])]
        rows.extend(_csv_row(head, cells, reader.line_num) for cells in reader if any(cells))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not readable as CSV: {error}") from error
    return rows


def _csv_row(head: Sequence[str], cells: Sequence[str], line: int) -> Row:
    if len(cells) != len(head):
        return Row(line=line, fault=Fault("", f"{len(cells)} cells, and the head names {len(head)} columns"))
    return Row(line=line, values={name: cell or None for name, cell in zip(head, cells, strict=True)})


def _delimiter(text: str, path: Path) -> str:
    head = text.split("\n", 1)[0]
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)


def _columns_of(rows: Sequence[Row]) -> tuple[Column, ...]:
    names: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in (row.values or {}).items():
            found = names.setdefault(name, [])
            if value is not None and len(found) < _N_LOOKED_AT:
                found.append(value)
    return tuple(Column(name=name, kind=_kind(values), samples=tuple(_told(values))) for name, values in names.items())


def columns_of_objects(objects: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns of objects within a row, such as the turns of a conversation."""
    return _columns_of([Row(line=0, values=values) for values in objects])


def as_list(value: Any) -> Any:
    """A list that is written as text, as CSV has to; any other value as it is.

    >>> as_list('["a.wav", "b.wav"]'), as_list("[laughs] Hello")
    (['a.wav', 'b.wav'], '[laughs] Hello')
    """
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            found = json.loads(value, strict=False)  # a cell of a CSV may hold line breaks
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, list) and not is_deep(found) else value
    return value


def _kind(values: Sequence[Any]) -> str:
    listed = [as_list(value) for value in values]
    kinds = {_kind_of(value) for value in listed if value != []}
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "empty"


def _kind_of(value: Any) -> str:
    if isinstance(value, Embedded):
        return AUDIO
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return TEXT
    if isinstance(value, list):
        items = {_kind_of(item) for item in value if item is not None}
        return {AUDIO: AUDIOS, TEXT: TEXTS, "object": OBJECTS}.get(items.pop(), "list") if len(items) == 1 else "list"
    return "object" if isinstance(value, dict) else type(value).__name__


def _told(values: Sequence[Any]) -> Iterator[str]:
    for value in values[:3]:
        text = f"{value.n_bytes} bytes of {value.name}" if isinstance(value, Embedded) else " ".join(str(value).split())
        yield text if len(text) <= _SAMPLE_CHARS else _shortened(text)


def _shortened(text: str) -> str:
    """Begin and end: a path's suffix tells what it is."""
    return f"{text[: _SAMPLE_CHARS - 13]}...{text[-10:]}"
