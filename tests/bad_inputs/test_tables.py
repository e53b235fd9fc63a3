"""Tables and archives from elsewhere: files that are none, columns that never end, archives that reach out or swell."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aqaa_eval.catalog import make_suites
from aqaa_eval.core.errors import AqaaError, ExitCode
from aqaa_eval.core.protocols import Suite
from tests.bad_inputs.containment import contained, pattern, snapshot
from tests.bad_inputs.sounds import encoded

DOWNLOAD = "; download it again"


def _parquet_bomb(path: Path) -> None:
    """A megabyte that stands 300 times in a table, which keeps it once."""
    value = "x" * (1 << 20)
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array([value]))
    pq.write_table(
        pa.table({"audio": ["a.wav"] * 300, "text": column.cast(pa.dictionary(pa.int32(), pa.string()))}),
        path,
        store_schema=False,
    )


TABLES: dict[str, tuple[bytes | Callable[[Path], None], str]] = {
    "empty.csv": (b"", "empty.csv: holds no row"),
    "head.csv": (b"audio,text\n", "head.csv: holds no row"),
    "quote.csv": (b'audio,text\n"a.wav,One?\n', "~quote.csv:#: not readable as CSV: unexpected end of data"),
    "cell.csv": (
        b"audio,text\na.wav," + b"x" * 200_000 + b"\n",
        "~cell.csv:#: not readable as CSV: field larger than field limit (131072)",
    ),
    "utf-16.csv": ("audio,text\na.wav,One?\n".encode("utf-16"), "~utf-16.csv: is in UTF-16; save it as UTF-8: ~"),
    "utf-32.csv": ("audio,text\n".encode("utf-32"), "~utf-32.csv: is in UTF-32; save it as UTF-8: ~"),
    "gb18030.csv": ("audio,text\na.wav,问题\n".encode("gb18030"), "~gb18030.csv:2: not UTF-8 (byte 0xce); ~"),
    "ragged.csv": (
        b"audio,text\na.wav,One?\nb.wav,Two?,more\n",
        "ragged.csv:3: 3 cells, and the head names 2 columns",
    ),
    "zeros.csv": (bytes(5000), "zeros.csv: ~"),
    "no-sound.jsonl": (b'{"a": 1}\n', "no-sound.jsonl: no column holds recordings or names them; columns seen:~"),
    "escape.jsonl": (b'{"\\u001b]0;owned\\u0007": 1}\n', "escape.jsonl: no column holds recordings~"),
    "nested.jsonl": (b"[" * 100_000 + b"\n", "nested.jsonl: no column holds recordings or names them~"),
    "deep-cell.jsonl": (
        b'{"turns": ' + b"[" * 900 + b"]" * 900 + b', "audio": "a.wav"}\n',
        "deep-cell.jsonl: no column holds recordings or names them~",
    ),
    "digits.jsonl": (b'{"' + b"9" * 900_000 + b'": 1}\n', "digits.jsonl: no column holds recordings~"),
    "out.jsonl": (
        b'{"audio": "../outside/a.wav", "text": "One?"}\n',
        "out.jsonl:1: turns[0].audio: '../outside/a.wav' leaves the suite's folder; ~",
    ),
    "absolute.jsonl": (
        b'{"audio": "/etc/passwd", "text": "One?"}\n',
        "absolute.jsonl:1: audio: '/etc/passwd' leaves the folder ~",
    ),
    "garbage.parquet": (b"PAR1" + bytes(100) + b"PAR1", "garbage.parquet: not readable as parquet (~)"),
    "cut.parquet": (b"PAR1" + bytes(100), "cut.parquet: not readable as parquet (~)"),
    "bomb.parquet": (_parquet_bomb, "~bomb.parquet: unpacks to more than 100 times its size; ~"),
    "pipe.jsonl": (os.mkfifo, "~pipe.jsonl: cannot be read (not a regular file but a pipe)"),
    "pipe.parquet": (os.mkfifo, "~pipe.parquet: not a regular file; download the table again"),
    "zero.csv": (
        lambda path: path.symlink_to("/dev/zero"),
        "~zero.csv: cannot be read (not a regular file but a device)",
    ),
    "folder.csv": (Path.mkdir, "folder.csv/card.yaml: cannot be read (No such file or directory); every suite has one"),
    "table.xlsx": (b"PK\3\4", "~table.xlsx: a suite is a folder or a file of ~"),
}


def _load(name: object) -> list[Suite]:
    return make_suites([str(name)], strict=True)


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_one_clear_error(name: str, tmp_path: Path) -> None:
    content, error = TABLES[name]
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else content(path)
    with contained(), pytest.raises(AqaaError) as caught:
        _load(path)
    assert pattern(error).fullmatch(str(caught.value)), str(caught.value)[:300]


@pytest.mark.parametrize("text", [" " * 900_000, "\n " * 300_000 + "x", "<a" * 300_000, "." * 900_000])
def test_a_text_of_one_character_over_and_over_is_read_in_time(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(json.dumps({"audio": "a.wav", "text": text}) + "\n", encoding="utf-8")
    with contained():
        assert len(_load(path)) == 1


def test_a_table_is_told_on_the_terminal_in_printable_characters(cli: Callable, tmp_path: Path) -> None:
    path = tmp_path / "escape.jsonl"
    path.write_bytes(b'{"\\u001b]0;owned\\u0007": 1, "\\u202e": "\\u001b[2J"}\n')
    done = cli("validate", "suite", path)
    assert done.code == ExitCode.USAGE
    assert "\\x1b]0;owned\\x07" in done.err
    assert all(char.isprintable() or char == "\n" for char in done.err)


Member = tuple[str, bytes, bytes, str]


def _tar(*members: Member, mode: str = "w:gz", sizes: dict[str, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, len(content)
            tar.addfile(info, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def _file(name: str) -> Member:
    return name, encoded("WAV", "PCM_16"), tarfile.REGTYPE, ""


def _special(name: str, kind: bytes, target: str = "") -> Member:
    return name, b"", kind, target


def _header(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo("a.wav")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(1 << 24))
    return buffer.getvalue()


OUT = "leads out of the folder; nothing of the archive was taken"
LINK = "is a link; only files are unpacked, so nothing of it was taken"
SPECIAL = "is a device, a sparse file or the like; only files are unpacked, so nothing of it was taken"
ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "up": (lambda: _tar(_file("../evil.wav")), f"member '../evil.wav' {OUT}"),
    "absolute": (lambda: _tar(_file("/tmp/evil.wav")), f"member '/tmp/evil.wav' {OUT}"),
    "backslash": (lambda: _tar(_file("a\\..\\evil.wav")), f"~ {OUT}"),
    "symlink": (lambda: _tar(_special("a.wav", tarfile.SYMTYPE, "/etc/passwd")), f"member 'a.wav' {LINK}"),
    "linked folder": (
        lambda: _tar(_special("out", tarfile.SYMTYPE, ".."), _file("out/evil.wav")),
        f"member 'out' {LINK}",
    ),
    "hard link": (
        lambda: _tar(_file("b.wav"), _special("a.wav", tarfile.LNKTYPE, "/etc/passwd")),
        f"member 'a.wav' {LINK}",
    ),
    "device": (lambda: _tar(_special("a.wav", tarfile.CHRTYPE)), f"member 'a.wav' {SPECIAL}"),
    "disk": (lambda: _tar(_special("a.wav", tarfile.BLKTYPE)), f"member 'a.wav' {SPECIAL}"),
    "pipe": (lambda: _tar(_special("a.wav", tarfile.FIFOTYPE)), f"member 'a.wav' {SPECIAL}"),
    "sparse": (lambda: _header(1 << 20, tarfile.GNUTYPE_SPARSE) + bytes(10_240), f"member 'a.wav' {SPECIAL}"),
    "twice": (lambda: _tar(_file("a.wav"), _file("a.wav")), "not readable as a tar file (~File exists~)" + DOWNLOAD),
    "bomb": (
        lambda: gzip.compress(_header(1 << 33)),
        "member 'a.wav' has 8589934592 bytes, at most 268435456 are taken",
    ),
    "name bomb": (
        lambda: gzip.compress(_header(1 << 33, tarfile.XHDTYPE) + bytes(1 << 22)),
        "not readable as a tar file (a header or file is longer than it may be)" + DOWNLOAD,
    ),
    "negative": (lambda: _header(-512) + bytes(10_240), "~"),
    "cut": (lambda: _tar(_file("a.wav"))[:-100], "not readable as a tar file (~)" + DOWNLOAD),
    "zip": (_zip, "not readable as a tar file (~)" + DOWNLOAD),
    "random": (lambda: bytes(range(256)) * 40, "not readable as a tar file (~)" + DOWNLOAD),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_a_bad_archive_is_refused_whole(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, error = ARCHIVES[case]
    cache, data = tmp_path / "cache", tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(cache))
    (data / "table.csv").write_text("audio,category,text\na.wav,Gaming,One?\n")
    (data / "audios.tar.gz").write_bytes(make())
    before = snapshot(data)
    with contained(cache), pytest.raises(AqaaError) as caught:
        _load(f"stepeval-audio-360:{data}")
    assert pattern(f"audios.tar.gz: {error}").fullmatch(str(caught.value)), str(caught.value)[:300]
    assert snapshot(data) == before
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_an_archive_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("audio,category,text\na.wav,Gaming,One?\n")
    os.mkfifo(tmp_path / "audios.tar.gz")
    with contained(), pytest.raises(AqaaError, match="not a regular file; download the archive again"):
        _load(f"stepeval-audio-360:{tmp_path}")
