"""Unpacking a tar file from elsewhere: regular files below one folder, within limits, all or nothing.

Every header is checked before a byte is written, and bytes are counted as they come out of the compressor, so that a
small file that unpacks to a huge one stops at the limit. One bad member refuses the whole archive: a set that tries to
leave its folder is not to be trusted with the rest.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.inside import leads_out

_HEADER_BYTES = 1 << 20
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an archive may hold.

    Attributes:
        n_files: files and folders.
        file_bytes: of one file.
        total_bytes: of all files.
    """

    n_files: int = 100_000
    file_bytes: int = 256 << 20
    total_bytes: int = 8 << 30


def unpacked(archive: Path, cache: Path, limits: Limits | None = None) -> Path:
    """The folder that an archive was unpacked to, now or before.

    Args:
        archive: .tar, .tar.gz or .tgz.
        cache: folder in which unpacked archives lie, each under a name made of size and time of its file.
        limits: how much it may hold.

    Raises:
        DataError: it is damaged, too large, or holds what is no file below its own folder.
    """
    if not archive.is_file():  # opening a pipe would wait for its writer
        raise DataError(f"{archive}: not a regular file; download the archive again")
    try:
        stat = archive.stat()
        target = cache / f"{archive.name.partition('.')[0]}-{stat.st_size:x}-{stat.st_mtime_ns:x}"
        if target.is_dir():
            return target
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=cache))
    except OSError as error:
        raise DataError(f"{archive}: cannot be unpacked to {cache} ({error.strerror})") from error
    try:
        unpack(archive, work, limits or Limits())
        if not target.is_dir():  # another process may have been faster
            work.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def unpack(archive: Path, target: Path, limits: Limits) -> None:
    """Write the files of an archive below a folder.

    Raises:
        DataError: as `unpacked`; what was written by then stays.
    """
    with archive.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source: IO[bytes] = gzip.GzipFile(fileobj=raw) if is_gzip else raw  # type: ignore[assignment]
        reader = _Metered(source)
        try:
            with tarfile.open(fileobj=reader, mode="r|") as tar:  # type: ignore[call-overload]
                n_bytes = 0
                for number, member in enumerate(_members(tar, reader), 1):
                    _refuse(archive, member, limits)
                    n_bytes += member.size
                    if number > limits.n_files or n_bytes > limits.total_bytes:
                        raise DataError(
                            f"{archive.name}: holds more than {limits.n_files} files or {limits.total_bytes} bytes; "
                            "unpack it yourself and give the folder"
                        )
                    _write(tar, member, target, reader)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise DataError(f"{archive.name}: not readable as a tar file ({error}); download it again") from error


def _members(tar: tarfile.TarFile, reader: _Metered) -> Iterator[tarfile.TarInfo]:
    while True:
        reader.allow(_HEADER_BYTES)
        member = tar.next()
        if member is None:
            return
        yield member


def _refuse(archive: Path, member: tarfile.TarInfo, limits: Limits) -> None:
    place, what = PurePosixPath(member.name), f"{archive.name}: member {member.name[:200]!r}"
    if not (member.isreg() or member.isdir()) or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "a device, a sparse file or the like"
        raise DataError(f"{what} is {kind}; only files are unpacked, so nothing of it was taken")
    if leads_out(member.name) and not (member.isdir() and not place.parts):
        raise DataError(f"{what} leads out of the folder; nothing of the archive was taken")
    if not 0 <= member.size <= limits.file_bytes:
        raise DataError(f"{what} has {member.size} bytes, at most {limits.file_bytes} are taken")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, reader: _Metered) -> None:
    path = target.joinpath(*PurePosixPath(member.name).parts)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    reader.allow(member.size)
    content = tar.extractfile(member)
    assert content is not None  # it is a regular file
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file, _BLOCK)


class _Metered:
    """Reads on as long as it may: a header that claims gigabytes of names is stopped like any other bomb."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.allow(_HEADER_BYTES)  # tarfile looks at the first header when it is opened

    def allow(self, n_bytes: int) -> None:
        """How much may come until the next call; tarfile reads ahead and pads by blocks."""
        self._left = n_bytes + 2 * tarfile.RECORDSIZE

    def read(self, n_bytes: int = -1) -> bytes:
        if n_bytes < 0 or n_bytes > self._left:
            raise tarfile.ReadError("a header or file is longer than it may be")
        found = self._source.read(n_bytes)
        self._left -= len(found)
        return found
