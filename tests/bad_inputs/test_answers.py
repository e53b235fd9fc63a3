"""Answers recorded elsewhere, scripts, and runs of strangers: what they name lies in their folder, or is not read."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.core.errors import AudioError, DataError, ExitCode
from aqaa_eval.core.failure import Failure
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.replay import run_answers
from aqaa_eval.engine.store import Store
from tests.bad_inputs.containment import contained, pattern, snapshot
from tests.bad_inputs.rows import GOOD_TURN
from tests.bad_inputs.sound_table import SOUNDS
from tests.bad_inputs.sounds import encoded
from tests.bad_inputs.suites import make_suite

PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")
SECRET = "the secret of another folder"
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
HEARD = [
    sound for sound in SOUNDS if sound.error and sound.name.endswith(SUFFIXES) and "mislabelled" not in sound.error
]


def _suite(root: Path, names: list[str]) -> Path:
    return make_suite(root, [json.dumps({"id": name, "turns": [GOOD_TURN]}).encode() for name in names])


def _text_link(turn: Path) -> None:
    turn.with_suffix(".txt").symlink_to(turn.parents[3] / "secret.txt")


def _sound_link(turn: Path) -> None:
    turn.with_suffix(".wav").symlink_to(turn.parents[3] / "secret.wav")


def _folder_link(turn: Path) -> None:
    turn.parent.rmdir()
    (turn.parents[3] / "elsewhere").mkdir()
    (turn.parents[3] / "elsewhere" / "turn0.txt").write_text(SECRET)
    turn.parent.symlink_to(turn.parents[3] / "elsewhere")


def _timed(times: str) -> Callable[[Path], None]:
    def make(turn: Path) -> None:
        turn.with_suffix(".wav").write_bytes(encoded("WAV", "PCM_16"))
        turn.with_suffix(".json").write_text(times)

    return make


def _huge_text(turn: Path) -> None:
    with turn.with_suffix(".txt").open("wb") as file:
        file.truncate(1 << 40)


ANSWERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "text-link": (_text_link, "'spoiled/text-link/turn0.txt' leaves the folder answers by a link"),
    "sound-link": (_sound_link, "'spoiled/sound-link/turn0.wav' leaves the folder answers by a link"),
    "folder-link": (_folder_link, "'spoiled/folder-link/turn0.wav' leaves the folder answers by a link"),
    "latin-1": (lambda turn: turn.with_suffix(".txt").write_bytes(b"caf\xe9"), "not UTF-8, byte 3; save it as UTF-8"),
    "terabyte": (_huge_text, "1099511627776 bytes, at most 4000000 are read"),
    "pipe": (lambda turn: os.mkfifo(turn.with_suffix(".wav")), "holds no answer to spoiled/pipe#0"),
    "times-nested": (_timed("[" * 100_000), "maximum recursion depth exceeded"),
    "times-list": (_timed("[1]"), 'must be {"first_audio_s": 0.4, "total_s": 2.1}'),
    "times-infinite": (_timed('{"total_s": 1e999}'), "total_s is inf; it must be finite and not negative"),
    "times-nan": (_timed('{"total_s": NaN}'), "total_s is nan; it must be finite and not negative"),
    "times-negative": (_timed('{"total_s": -1}'), "total_s is -1.0; it must be finite and not negative"),
    "times-huge": (_timed('{"total_s": 1' + "0" * 400 + "}"), "int too large to convert to float"),
}


def test_a_bad_answer_costs_its_turn_and_tells_nothing_of_other_folders(cli: Callable, tmp_path: Path) -> None:
    names = [f"sound-{number}" for number in range(len(HEARD))]
    suite = _suite(tmp_path / "spoiled", [*names, *ANSWERS, "good"])
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "secret.wav").write_bytes(encoded("WAV", "PCM_16"))
    answers = tmp_path / "answers"
    for name in [*names, *ANSWERS, "good"]:
        (answers / "spoiled" / name).mkdir(parents=True)
    for name, sound in zip(names, HEARD, strict=True):
        (answers / "spoiled" / name / f"turn0{Path(sound.name).suffix}").write_bytes(sound.make())
    for name, (make, _) in ANSWERS.items():
        make(answers / "spoiled" / name / "turn0")
    (answers / "spoiled" / "good" / "turn0.wav").write_bytes(encoded("WAV", "PCM_16"))
    before, out = snapshot(tmp_path), tmp_path / "run"
    with contained(out):
        done = cli("run", "--model", f"replay:{answers}", "--suite", suite, *PLAIN, "--out", out)
    assert done.code == ExitCode.INCOMPLETE
    assert {name: told for name, told in snapshot(tmp_path).items() if not name.startswith("run")} == before
    turns = {attempt.sample: attempt.turns[0] for attempt in load_run(out).attempts}
    assert turns["good"].failure is None
    for name, sound in zip(names, HEARD, strict=True):
        assert turns[name].failure is Failure.MODEL_ERROR
        assert pattern(f"~{sound.error}").fullmatch(turns[name].detail), turns[name].detail
    for name, (_, error) in ANSWERS.items():
        assert error in turns[name].detail, turns[name].detail
    assert not [path for path in out.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


SCRIPTS: dict[str, tuple[bytes, str]] = {
    "latin-1": (b'{"key": "caf\xe9"}\n', "cannot be read (not UTF-8, byte 12; save it as UTF-8)~"),
    "nested": (b"[" * 100_000 + b"\n", "1: not an answer: RecursionError ~"),
    "list": (b"[1]\n", "1: not an answer: AttributeError ~"),
    "up": (b'{"key": "a#0", "audio": "../a.wav"}\n', "1: '../a.wav' leaves the folder ~"),
    "absolute": (b'{"key": "a#0", "audio": "/etc/passwd"}\n', "1: '/etc/passwd' leaves the folder ~"),
    "missing": (b'{"key": "a#0", "audio": "gone.wav"}\n', "1: ~gone.wav: no such file"),
    "time": (b'{"key": "a#0", "total_s": 1' + b"0" * 400 + b"}\n", "1: not an answer: OverflowError ~"),
}


@pytest.mark.parametrize("case", SCRIPTS)
def test_a_bad_script_is_one_clear_error(case: str, cli: Callable, tmp_path: Path) -> None:
    content, error = SCRIPTS[case]
    path = tmp_path / "script.jsonl"
    path.write_bytes(content)
    with contained(tmp_path / "run"):
        done = cli("run", "--model", f"fake:scripted:{path}", "--suite", "gaming", *PLAIN, "--out", tmp_path / "run")
    assert done.code == ExitCode.USAGE
    assert pattern(f"aqaa-eval: {path}:~{error}\n").fullmatch(done.err), done.err[:300]


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one conversation."""
    from aqaa_eval.cli import main

    folder = tmp_path_factory.mktemp("good")
    suite = _suite(folder / "spoiled", ["good"])
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["run", "--model", "fake:echo", "--suite", suite, *PLAIN, "--out", folder / "run"]
        patch.setattr("sys.argv", ["aqaa-eval", *map(str, arguments)])
        with pytest.raises(SystemExit):
            main.main()
    return folder / "run"


@pytest.fixture
def run(good_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good_run, tmp_path / "run"))


HEADS = {
    "nested": (b"[" * 100_000, "cannot be read as JSON (maximum recursion~)"),
    "list": (b"[1]", "format [1] is not 1; score it with the version that made it"),
    "other format": (b'{"format": 99}', "format 99 is not 1; score it with the version that made it"),
    "nothing": (b'{"format": 1}', "field 'cards' is missing or malformed"),
    "latin-1": (b'{"format": "\xe9"}', "cannot be read as JSON (~not UTF-8~)"),
    "cut": (b'{"format": 1, "spec": {', "cannot be read as JSON (~)"),
    "digits": (b'{"format": ' + b"1" * 5000 + b"}", "cannot be read as JSON (Exceeds the limit~)"),
}


@pytest.mark.parametrize("case", HEADS)
@pytest.mark.parametrize("verb", ["report", "score"])
def test_a_run_with_a_bad_head_is_one_clear_error(case: str, verb: str, cli: Callable, run: Path) -> None:
    content, error = HEADS[case]
    (run / "run.json").write_bytes(content)
    with contained(run):
        done = cli(verb, run)
    assert done.code == ExitCode.USAGE
    assert pattern(f"aqaa-eval: {run / 'run.json'}: {error}\n").fullmatch(done.err), done.err[:300]


def test_a_run_whose_head_is_a_pipe_is_not_waited_for(cli: Callable, run: Path) -> None:
    (run / "run.json").unlink()
    os.mkfifo(run / "run.json")
    with contained(run):
        done = cli("report", run)
    assert done.code == ExitCode.USAGE
    assert "not a regular file but a pipe" in done.err


def _rename_sounds(run: Path, name: str) -> None:
    """Let the records of a run name another file."""
    store = Store(run / "run.sqlite")
    named = [record for record in store.all() if record.step in ("ask", "generate")]
    store.commit(replace(item, body=json.dumps({**json.loads(item.body), "audio": name}).encode()) for item in named)
    store.close()


@pytest.mark.parametrize("way", ["up", "absolute", "link"])
def test_a_run_that_names_sound_of_other_folders_shows_none(way: str, cli: Callable, run: Path) -> None:
    outside = run.with_name("private.wav")
    outside.write_bytes(encoded("WAV", "PCM_16"))
    names = {"up": "../../private.wav", "absolute": str(outside), "link": "link.wav"}
    if way == "link":
        (run / "audio" / "link.wav").symlink_to(outside)
    _rename_sounds(run, names[way])
    with contained(run):
        assert cli("report", run).code == ExitCode.PASSED
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "data:audio" not in page
    assert "private.wav" not in page.replace(names[way], "")
    with contained(run), pytest.raises(AudioError, match="leaves the folder audio"):
        run_answers(run)("spoiled/good#0")
    from aqaa_eval.serving.rating.session import SessionSettings, make_tasks

    [task] = make_tasks({"run": load_run(run)}, SessionSettings(rater="ann"))
    assert task.sound(0, 0) is None
    assert task.question(0) is None


BASELINES = {
    "no gzip": (b"{}", "Not a gzipped file"),
    "bomb": (gzip.compress(bytes(1 << 28), 1), "unpacks to more than 200,000,000 bytes, no baseline does"),
    "nested": (gzip.compress(b"[" * 100_000), "maximum recursion depth exceeded"),
    "cut": (gzip.compress(b'{"format": 1}' * 100)[:-9], "cannot be read as a baseline"),
    "flipped": (gzip.compress(bytes(range(256)))[:12] + b"\xff" * 40, "cannot be read as a baseline"),
    "nothing": (gzip.compress(b'{"format": 1}'), "cannot be read as a baseline ('spec')"),
}


@pytest.mark.parametrize("case", BASELINES)
def test_a_bad_baseline_is_one_clear_error(case: str, tmp_path: Path) -> None:
    content, error = BASELINES[case]
    path = tmp_path / "baseline.json.gz"
    path.write_bytes(content)
    with contained(), pytest.raises(DataError) as caught:
        load_run(path)
    assert error in str(caught.value)
