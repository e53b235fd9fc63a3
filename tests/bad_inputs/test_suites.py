"""Suites on disk: every bad row costs itself, every bad recording its turn, and a bad card is one clear error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.core.errors import DataError, ExitCode
from aqaa_eval.core.failure import Failure
from aqaa_eval.tasks.suite import load_suite
from tests.bad_inputs.containment import contained, pattern, snapshot
from tests.bad_inputs.rows import GOOD_TURN, ROWS
from tests.bad_inputs.sound_table import SOUNDS
from tests.bad_inputs.suites import CARD, make_suite

PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")


def _row(name: str, **turn: object) -> bytes:
    return json.dumps({"id": name, "turns": [{**GOOD_TURN, **turn}]}).encode()


def test_every_bad_row_is_told_with_its_line_and_every_strange_one_is_taken(tmp_path: Path) -> None:
    root = make_suite(tmp_path / "spoiled", [row.line for row in ROWS])
    with contained():
        suite = load_suite(root)
    taken = {sample.id for sample in suite.samples()}
    assert taken == {row.name for row in ROWS if not row.error}
    told = {lost.place: lost.reason for lost in suite.not_run}
    assert len(told) == len(ROWS) - len(taken)
    for line, row in enumerate(ROWS, 1):
        if row.error:
            reason = told[f"spoiled/samples.jsonl:{line}"]
            assert pattern(row.error).fullmatch(reason), f"{row.name}: {reason[:200]}"
            assert len(reason) < 1000


def test_validation_tells_the_same_rows_in_printable_characters(cli: Callable, tmp_path: Path) -> None:
    root = make_suite(tmp_path / "spoiled", [row.line for row in ROWS])
    with contained():
        done = cli("validate", "suite", root)
    assert done.code == ExitCode.USAGE
    assert done.out.isascii() or all(char.isprintable() or char == "\n" for char in done.out)
    for line, row in enumerate(ROWS, 1):
        assert bool(row.error) == (f"samples.jsonl:{line}: " in done.out), row.name


def test_a_run_over_bad_rows_and_bad_recordings_loses_only_these(cli: Callable, tmp_path: Path) -> None:
    rows = [_row("good"), *(row.line for row in ROWS if row.error)]
    rows += [_row(f"sound-{number}", audio=f"audio/{sound.name}") for number, sound in enumerate(SOUNDS)]
    rows += [_row("pipe", audio="audio/pipe.wav"), _row("device", audio="audio/null.wav"), _row("last")]
    root = make_suite(tmp_path / "spoiled", rows)
    for sound in SOUNDS:
        (root / "audio" / sound.name).write_bytes(sound.make())
    os.mkfifo(root / "audio" / "pipe.wav")
    (root / "audio" / "null.wav").mkdir()
    before, out = snapshot(tmp_path), tmp_path / "run"
    with contained(out):
        done = cli("run", "--model", "fake:echo", "--suite", root, *PLAIN, "--out", out)
    assert done.code == ExitCode.INCOMPLETE
    assert "Traceback" not in done.err
    assert {name: told for name, told in snapshot(tmp_path).items() if not name.startswith("run")} == before
    _check_attempts(out)
    assert all(char.isprintable() or char == "\n" for char in done.err + done.out)


def _check_attempts(out: Path) -> None:
    from aqaa_eval.engine.load import load_run

    log = load_run(out)
    assert len(log.not_run) == sum(bool(row.error) for row in ROWS)
    turns = {attempt.sample: attempt.turns[0] for attempt in log.attempts}
    assert turns["good"].failure is turns["last"].failure is None
    assert "not a regular file but a pipe" in turns["pipe"].detail
    assert "not a regular file but a folder" in turns["device"].detail
    for number, sound in enumerate(SOUNDS):
        turn = turns[f"sound-{number}"]
        if sound.error:
            assert turn.failure is Failure.BAD_INPUT
            assert pattern(f"{sound.name}: {sound.error}").fullmatch(turn.detail), turn.detail
        else:
            assert turn.failure is not Failure.BAD_INPUT, turn.detail


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
YAML = {
    "object": ("title: !!python/object/apply:os.system [reboot]", "not readable as YAML: could not determine a ~"),
    "own tag": ("title: !new:os.system [reboot]", "the tag !new:os.system asks for an object; write plain values"),
    "bomb": (BOMB, "&a0 names a value; anchors are not taken, write the value out"),
    "loop": ("title: &a [*a]", "&a names a value; anchors are not taken, write the value out"),
    "deep": ("title: " + "[" * 100_000, "lists and mappings lie more than 32 deep"),
    "deep block": ("- " * 100_000, "lists and mappings lie more than 32 deep"),
    "digits": ("version: " + "9" * 5000, "not readable as YAML: Exceeds the limit ~; write it in quotes"),
    "no such day": ("version: 2024-13-45", "not readable as YAML: month must be in ~; write it in quotes"),
    "2 MB": ("title: " + "x" * (2 << 20), "# characters, at most 1048576 are read"),
    "open": ("title: [", "not readable as YAML: ~"),
    "tab": ("title:\n\t- a", "not readable as YAML: ~"),
}
"""Texts of YAML with what is said to them, wherever they stand."""

CARDS = {
    "list": ("- id: spoiled", "a card is a mapping of fields, this is a list"),
    "escape": (
        CARD.replace("Spoiled", '"\\e[31mred"'),
        "title: '\\x1b[31mred' holds control characters; take them out",
    ),
    "override": (
        CARD.replace("Spoiled", '"\\u202egnp"'),
        "title: '\\u202egnp' holds control characters; take them out",
    ),
    "weight nan": (CARD.replace("1.0}", ".nan}"), "weights: weights must be at least 0 and add up to 1, they ~ nan"),
    "weight inf": (CARD.replace("1.0}", ".inf}"), "weights: weights must be at least 0 and add up to 1, they ~ inf"),
    "weight below": (CARD.replace("1.0}", "2.0, speech: -1.0}"), "weights: weights must be at least 0~"),
    "id path": (CARD.replace("id: spoiled", "id: ../up"), "id: String should match pattern ~"),
    "number": (CARD.replace('version: "1"', "version: 1"), "version: Input should be a valid string"),
}


@pytest.mark.parametrize("case", [*YAML, *CARDS])
def test_a_bad_card_is_one_clear_error(case: str, tmp_path: Path, cli: Callable) -> None:
    card, error = YAML.get(case) or CARDS[case]
    root = make_suite(tmp_path / "spoiled", [_row("good")], card=card)
    with contained():
        with pytest.raises(DataError) as caught:
            load_suite(root)
        done = cli("validate", "suite", root)
    assert pattern(f"spoiled/card.yaml:#: {error}").fullmatch(str(caught.value)), str(caught.value)[:300]
    assert done.code == ExitCode.USAGE
    assert str(caught.value) in done.out


@pytest.mark.parametrize("case", YAML)
def test_settings_and_mappings_are_held_to_the_same_rules(case: str, tmp_path: Path, cli: Callable) -> None:
    text, error = YAML[case]
    path = tmp_path / "given.yaml"
    path.write_text(text, encoding="utf-8")
    table = tmp_path / "table.csv"
    table.write_text("audio,text\na.wav,One?\n")
    with contained():
        settings = cli("run", "--config", path, "--model", "fake:echo")
        mapping = cli("validate", "suite", table, "--suite-set", f"columns={path}")
    for done in (settings, mapping):
        assert done.code == ExitCode.USAGE
        assert pattern(f"~{error}\n").fullmatch(done.err), done.err[:300]
        assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["card.yaml", "samples.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder", "terabyte"])
def test_parts_of_a_suite_are_regular_files_of_its_own(name: str, kind: str, tmp_path: Path) -> None:
    root = make_suite(tmp_path / "spoiled", [_row("good")])
    path = root / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind in ("device", "link"):
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "outside" / "a.wav")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    reasons = {
        "pipe": "cannot be read (not a regular file but a pipe); every suite has one",
        "folder": "cannot be read (not a regular file but a folder); every suite has one",
        "terabyte": "cannot be read (1099511627776 bytes, at most 536870912 are read); every suite has one",
    }
    reason = reasons.get(kind, "is a link; put the file itself into the folder")
    with contained(), pytest.raises(DataError) as caught:
        load_suite(root)
    assert str(caught.value) == f"spoiled/{name}: {reason}"
