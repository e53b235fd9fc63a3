"""Unpacking: files below one folder and nothing else, whatever the archive says of itself."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.tasks.outside.archive import Limits, unpacked

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"sound", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return info, content


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    def packer(*members: Member, mode: str = "w:gz") -> Path:
        path = tmp_path / "audios.tar.gz"
        with tarfile.open(path, mode) as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
        return path

    return packer


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_files_and_folders_come_out_as_they_went_in(pack, tmp_path: Path, mode: str):
    path = pack(
        member("audios", kind=tarfile.DIRTYPE), member("audios/你好.wav", b"one"), member("./b.wav", b"two"), mode=mode
    )
    folder = unpacked(path, tmp_path / "cache")
    assert (folder / "audios" / "你好.wav").read_bytes() == b"one"
    assert (folder / "b.wav").read_bytes() == b"two"
    assert unpacked(path, tmp_path / "cache") == folder
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../evil.wav"), "leads out of the folder"),
        (member("a/../../evil.wav"), "leads out of the folder"),
        (member("/etc/evil.wav"), "leads out of the folder"),
        (member("a\\..\\evil.wav"), "leads out of the folder"),
        (member("l.wav", kind=tarfile.SYMTYPE, link="/etc/passwd"), "is a link"),
        (member("l.wav", kind=tarfile.LNKTYPE, link="good.wav"), "is a link"),
        (member("dev", kind=tarfile.CHRTYPE), "is a device"),
        (member("dev", kind=tarfile.BLKTYPE), "is a device"),
        (member("pipe", kind=tarfile.FIFOTYPE), "is a device"),
        (member("good.wav"), "not readable as a tar file .*File exists"),
    ],
)
def test_a_bad_member_refuses_the_whole_archive_and_leaves_nothing(pack, tmp_path: Path, bad: Member, message: str):
    path = pack(member("good.wav"), bad)
    with pytest.raises(DataError, match=message):
        unpacked(path, tmp_path / "cache")
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["audios.tar.gz", "cache"]


def test_a_link_cannot_carry_later_files_out(pack, tmp_path: Path):
    path = pack(member("out", kind=tarfile.SYMTYPE, link=str(tmp_path)), member("out/evil.wav"))
    with pytest.raises(DataError, match="is a link"):
        unpacked(path, tmp_path / "cache")
    assert not (tmp_path / "evil.wav").exists()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(file_bytes=999), "has 1000 bytes, at most 999 are taken"),
        (Limits(total_bytes=1999), "holds more than 100000 files or 1999 bytes"),
        (Limits(n_files=1), "holds more than 1 files"),
    ],
)
def test_limits_of_number_and_size_hold(pack, tmp_path: Path, limits: Limits, message: str):
    path = pack(member("a.wav", b"0" * 1000), member("b.wav", b"0" * 1000))
    with pytest.raises(DataError, match=message):
        unpacked(path, tmp_path / "cache", limits)


def test_a_bomb_in_a_header_is_stopped_before_it_fills_the_memory(tmp_path: Path):
    info = tarfile.TarInfo("name")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    path = tmp_path / "audios.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(DataError, match="a header or file is longer than it may be"):
        unpacked(path, tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no archive" * 100, mtime=0)])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes):
    path = tmp_path / "audios.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not readable as a tar file"):
        unpacked(path, tmp_path / "cache")


def test_a_cut_archive_is_told(pack, tmp_path: Path):
    path = pack(member("a.wav", bytes(range(256)) * 400))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="not readable as a tar file"):
        unpacked(path, tmp_path / "cache")
