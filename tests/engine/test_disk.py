"""The disk is full, forgets, or was moved back in time: a clear error or the same run, never a wrong number."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aqaa_eval.core.errors import AqaaError, DataError
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.store import Store
from tests.engine.builders import dump
from tests.engine.crashing import N_SAMPLES, N_TURNS, Moments, Site, in_a_child, killed

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A run that nothing happened to."""
    site = Site(root=tmp_path_factory.mktemp("whole"))
    site.drive(delay_s=0.0)
    return site


def copy_of(site: Site, root: Path) -> Site:
    shutil.copytree(site.root, root)
    return Site(root=root)


class Filling:
    """Takes the place of a function that writes: after some calls the disk is full."""

    def __init__(self, before: object, *, n_free: int) -> None:
        self._before, self._n_free = before, n_free

    def __call__(self, *arguments: object) -> object:
        self._n_free -= 1
        if self._n_free < 0:
            raise FULL
        return self._before(*arguments)  # type: ignore[operator]


@pytest.mark.parametrize("n_free", [0, 5])
@pytest.mark.parametrize("what", ["write", "sync"])
def test_a_full_disk_is_told_and_what_was_done_is_kept(
    what: str, n_free: int, whole: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(root=tmp_path)
    (site.root / "data").mkdir()
    shutil.copytree(whole.root / "data", site.root / "data", dirs_exist_ok=True)
    RunFolder(site.run).create()
    with monkeypatch.context() as patch:
        if what == "write":
            patch.setattr("aqaa_eval.engine.audio_store.os.write", Filling(os.write, n_free=n_free))
        else:
            patch.setattr("aqaa_eval.engine.audio_store.os.fsync", Filling(os.fsync, n_free=1 + n_free))
        with pytest.raises(DataError, match=r"cannot write \(No space left on device\); free the disk"):
            site.drive(delay_s=0.0)
    durable, n_before = site.answered(), len(site.asked)
    site.drive(delay_s=0.0)
    assert not durable & set(site.asked[n_before:])
    assert site.told() == whole.told()
    assert not parts_left(site.run)


def parts_left(run: Path) -> list[Path]:
    """Half-written files that stay: a thread that was writing when the disk was full may be at it for a moment."""
    end = time.monotonic() + 30
    while (found := list(run.rglob("*.part"))) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_a_full_database_is_told_and_what_was_done_is_kept(whole: Site, tmp_path: Path) -> None:
    site = Site(root=tmp_path)
    opened = Store.__init__

    def open_small(store: Store, path: Path, *, read_only: bool = False) -> None:
        opened(store, path, read_only=read_only)
        store._db.execute("PRAGMA max_page_count = 4")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "__init__", open_small)
        with pytest.raises(DataError, match=r"database or disk is full.*free the disk, then give the command again"):
            site.drive(delay_s=0.0)
    durable, n_before = site.answered(), len(site.asked)
    site.drive(delay_s=0.0)
    assert not durable & set(site.asked[n_before:])
    assert site.told() == whole.told()


def test_no_space_for_the_head_of_a_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(root=tmp_path)
    RunFolder(site.run).create()
    monkeypatch.setattr("aqaa_eval.engine.folder.os.fsync", Filling(os.fsync, n_free=0))
    with pytest.raises(DataError, match=r"run\.json: cannot write \(No space left on device\)"):
        site.drive(delay_s=0.0)
    assert not site.asked


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB; skipped where it cannot be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs root, and the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_system_that_is_really_full_is_told_and_more_room_is_enough(
    small_disk: Path, whole: Site, tmp_path: Path
) -> None:
    site = Site(root=tmp_path)
    site.run.symlink_to(small_disk, target_is_directory=True)
    with pytest.raises(AqaaError, match="cannot write"):
        site.drive(delay_s=0.0)
    assert site.asked
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    site.drive(delay_s=0.0)
    assert site.told() == whole.told()


def test_a_clock_that_is_set_back_changes_nothing(whole: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = iter(range(2_000_000_000, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(now_s)))
    site = Site(root=tmp_path)
    assert killed(site, at=40)
    site.drive(delay_s=0.0)
    assert site.told() == whole.told()


def settle(site: Site, whole: Site) -> bool:
    """After damage: the run says the same as ever, or gives one clear error. True if it says the same."""
    try:
        site.drive(delay_s=0.0)
        told = dump(site.run)
    except DataError as error:
        told = str(error)
    is_error = told.startswith(str(site.run))  # an error names the file
    assert is_error or told == dump(whole.run)
    return not is_error


def test_a_database_is_there_with_its_table_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.sqlite"
    (tmp_path / "run.sqlite.new").write_bytes(b"what a killed run left")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("aqaa_eval.engine.store.os.replace", fail)
        with pytest.raises(DataError, match=r"not a usable run database .*No space left"):
            Store(file)
    assert not file.exists()
    Store(file).close()
    reader = Store(file, read_only=True)
    assert list(reader.all()) == []
    reader.close()
    assert not list(tmp_path.glob("*.new*"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_database_that_was_cut_is_an_error_or_the_same_run(whole: Site, tmp_path: Path, share: float) -> None:
    site = copy_of(whole, tmp_path / "site")
    file = site.run / "run.sqlite"
    os.truncate(file, int(file.stat().st_size * share))
    is_same = settle(site, whole)
    assert is_same or share > 0.0  # an empty file is a database without records: all is asked again


@pytest.mark.parametrize("n_flips", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_flipped_bits_in_the_database_never_give_another_run(whole: Site, tmp_path: Path, n_flips: int) -> None:
    draw, n_same = random.Random(0), 0
    encoded = (whole.run / "run.sqlite").read_bytes()
    for number in range(n_flips):
        site = copy_of(whole, tmp_path / str(number))
        flipped = bytearray(encoded)
        flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
        (site.run / "run.sqlite").write_bytes(flipped)
        n_same += settle(site, whole)
        shutil.rmtree(site.root)
    assert 0 < n_same <= n_flips


def test_a_flipped_bit_in_a_record_is_told_by_a_reader_and_mended_by_the_run(whole: Site, tmp_path: Path) -> None:
    site = copy_of(whole, tmp_path / "site")
    with sqlite3.connect(site.run / "run.sqlite") as db:
        key = "step = 'judge' AND sample = 't02'"
        body = db.execute(f"SELECT body FROM records WHERE {key}").fetchone()[0]
        assert b"1.6" in body
        db.execute(f"UPDATE records SET body = ? WHERE {key}", (body.replace(b"1.6", b"4.6"),))
    db.close()
    with pytest.raises(
        DataError, match=r"the record 'judge' of tones/t02 is damaged.*give the command of the run again"
    ):
        load_run(site.run)
    n_before = len(site.asked)
    assert site.drive(delay_s=0.0).n_damaged == 1
    assert len(site.asked) == n_before
    assert site.told() == whole.told()


def test_a_log_that_was_cut_costs_only_what_was_in_it(whole: Site, tmp_path: Path) -> None:
    site = Site(root=tmp_path)
    assert killed(site, at=45)
    log = site.run / "run.sqlite-wal"
    size = log.stat().st_size
    assert size
    with log.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 100)
    os.truncate(log, size - 1000)
    site.drive(delay_s=0.0)
    assert site.told() == whole.told()


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_an_answer_whose_sound_is_lost_is_asked_again_and_what_rests_on_it(
    damage: str, whole: Site, tmp_path: Path
) -> None:
    site = copy_of(whole, tmp_path / "site")
    attempt = load_run(site.run).attempts[1]
    sound = site.run / "audio" / str(attempt.turns[0].audio)
    if damage == "gone":
        sound.unlink()
    elif damage == "cut":
        os.truncate(sound, sound.stat().st_size // 2)
    else:
        sound.write_bytes(bytes(200) + sound.read_bytes()[200:])
    with sqlite3.connect(site.run / "run.sqlite") as db:  # a conversation that is not complete yet
        db.execute("DELETE FROM records WHERE step = 'judge' AND sample = ?", (attempt.sample,))
    db.close()
    n_before = len(site.asked)
    site.drive(delay_s=0.0)
    assert site.asked[n_before:] == [f"{attempt.key}#{turn}" for turn in range(N_TURNS)]
    assert site.told() == whole.told()


def test_a_second_process_is_told_which_one_holds_the_folder(tmp_path: Path) -> None:
    site = Site(root=tmp_path)
    told: list[str] = []

    def intrude(pid: int) -> None:
        until_s = time.monotonic() + 60
        while not site.asked and time.monotonic() < until_s:
            time.sleep(0.01)
        with pytest.raises(AqaaError) as caught:
            site.drive(delay_s=0.0)
        told.append(str(caught.value))
        assert f"in use by process {pid}" in told[0]

    assert in_a_child(lambda: site.drive(Moments(), delay_s=0.1).n_finished, meanwhile=intrude) == N_SAMPLES
    assert told
