"""A baseline file: small, the same bytes each time, as good as the run for a gate, and refused when it is not one."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.core.attempt import Transcript, Word
from aqaa_eval.core.errors import DataError
from aqaa_eval.engine.baseline import MAX_BYTES, read_baseline, write_baseline
from aqaa_eval.engine.load import load_run
from aqaa_eval.gates import gate
from tests.reports.builders import attempt, check, nine_suites, run_log, score


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return nine_suites(tmp_path_factory.mktemp("run"))


def test_a_baseline_gates_as_the_run_itself(log, tmp_path):
    path = tmp_path / "baseline.json.gz"
    assert write_baseline(log, path) == path.stat().st_size < MAX_BYTES
    assert gate(log, load_run(path)).suites == gate(log, log).suites


def test_the_same_run_gives_the_same_bytes(log, tmp_path):
    first, second = tmp_path / "a.gz", tmp_path / "b.gz"
    write_baseline(log, first)
    write_baseline(log, second)
    assert first.read_bytes() == second.read_bytes()


def test_a_baseline_holds_neither_sound_nor_paths(log, tmp_path):
    spec = log.spec.model_copy(update={"model": "reference:/home/someone/step7", "python": "/home/someone/bin/python"})
    path = tmp_path / "baseline.json.gz"
    write_baseline(replace(log, spec=spec), path)
    body = gzip.decompress(path.read_bytes()).decode()
    assert "/home/someone" not in body
    assert ".flac" not in body
    assert read_baseline(path).spec.model == "reference:step7"


def test_a_large_run_fits_by_leaving_out_words_and_evidence(tmp_path):
    def noise(place: int) -> str:
        return hashlib.sha256(str(place).encode()).hexdigest()

    attempts = [
        attempt(
            "gaming",
            f"g{place}",
            [score("mos", 1 + place % 5, reason=noise(place), evidence=(check("c", True, measured=noise(-place)),))],
        )
        for place in range(20_000)
    ]
    path = tmp_path / "baseline.json.gz"
    assert write_baseline(run_log(Path("runs/large"), attempts), path) <= MAX_BYTES
    read = read_baseline(path)
    assert [item.scores[0].value for item in read.attempts] == [1 + place % 5 for place in range(20_000)]
    assert read.attempts[0].scores[0].evidence == ()


def test_the_times_of_words_are_left_out(log, tmp_path):
    heard = Transcript(
        text="Four.",
        language="en",
        confidence=0.9,
        asr="whisper:base",
        words=(Word(text="Four.", start_s=0.0, end_s=0.5, confidence=0.9),),
    )
    turn = replace(log.attempts[0].turns[0], transcript=heard)
    path = tmp_path / "baseline.json.gz"
    write_baseline(replace(log, attempts=(replace(log.attempts[0], turns=(turn,)),)), path)
    kept = read_baseline(path).attempts[0].turns[0].transcript
    assert kept is not None
    assert (kept.text, kept.words) == ("Four.", ())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b"[]", mtime=0),
        gzip.compress(b'{"format": 2}', mtime=0),
        gzip.compress(b'{"format": 1}', mtime=0),
        gzip.compress(b"{", mtime=0)[:-4],
    ],
)
def test_another_or_a_damaged_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "baseline.json.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"baseline\.json\.gz"):
        load_run(path)


def test_a_wrong_value_is_told_by_field(log, tmp_path):
    path = tmp_path / "baseline.json.gz"
    write_baseline(log, path)
    values = json.loads(gzip.decompress(path.read_bytes()))
    values["spec"]["repeats"] = 0
    path.write_bytes(gzip.compress(json.dumps(values).encode()))
    with pytest.raises(DataError, match="repeats"):
        read_baseline(path)


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "baseline.json.gz"
    path.write_bytes(gzip.compress(b" " * 5_000_000))
    monkeypatch.setattr("aqaa_eval.engine.baseline.MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_baseline(path)
