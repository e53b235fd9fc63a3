"""Every way to a model: whole runs over the bundled suites, and the same scores for the same answers."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aqaa_eval import catalog
from aqaa_eval.catalog import MODELS, missing_of
from aqaa_eval.core.attempt import Score, Transcript
from aqaa_eval.core.protocols import Clip, Transcriber
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.weights import is_present
from aqaa_eval.engine.load import load_run
from aqaa_eval.serving.server import LocalServer, ServerSettings
from aqaa_eval.tasks.speaking.performer import missing_for
from aqaa_eval.tasks.suite import BUNDLED
from tests.adapters.test_command import write_program
from tests.cli.ways import PLAIN, WAYS, Arguments, Cli, Place, Way, as_recordings, cascade, exchanges, write_answer

pytestmark = pytest.mark.filterwarnings("ignore:Passing .repetition_penalty. with:UserWarning")
EAR = "faster-whisper:tiny.en"
TWO_SUITES = ("--suite", "logical_reasoning,voice_understanding")


@pytest.fixture
def place(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Place(folder=tmp_path, cli=cli, patch=monkeypatch)
    torch.set_num_threads(before)


def run(place: Place, way: Way, *arguments: object) -> RunLog:
    if way is cascade and (lacking := missing_of(MODELS["cascade"])):
        pytest.skip(f"the cascade's models are not here: {'; '.join(lacking)}")
    out = place.folder / "run"
    with way(place) as model:
        done = place.cli("run", *model, *arguments, *place.limited, "--out", out)
    assert done.code == 0, done.err
    return load_run(out)


def failures(log: RunLog) -> set[object]:
    return {turn.failure for attempt in log.attempts for turn in attempt.turns}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_run_over_the_bundled_suites_completes(way: Way, place: Place) -> None:
    log = run(place, way, *(TWO_SUITES if way is cascade else ()), *PLAIN)
    assert len(log.attempts) == (2 if way is cascade else len(BUNDLED))
    assert failures(log) == {None}
    assert all(turn.duration_s for attempt in log.attempts for turn in attempt.turns)
    assert all(attempt.scores for attempt in log.attempts)


PARROT = """
import hashlib
from pathlib import Path

from aqaa_eval.core.attempt import Response, Timing
from aqaa_eval.core.audio import read_audio


class Parrot:
    identity = "parrot@1"

    def answer(self, query):
        stem = Path(__file__).parent / hashlib.sha256(query.question.audio.pcm16.tobytes()).hexdigest()
        words = stem.with_suffix(".txt")
        timing = Timing(first_audio_s=None, total_s=0.0)
        text = words.read_text() if words.exists() else None
        return Response(audio=read_audio(stem.with_suffix(".wav")), text=text, timing=timing)
"""
PARROT_PROGRAM = """
import hashlib, wave
request = json.load(sys.stdin)
with wave.open(request["messages"][-1]["audio"]) as question:
    name = hashlib.sha256(question.readframes(question.getnframes())).hexdigest()
for suffix, target in ((".wav", "output_audio"), (".txt", "output_text")):
    answer = os.path.join(os.path.dirname(__file__), name + suffix)
    if os.path.exists(answer):
        shutil.copy(answer, request[target])
"""


def same_answers(place: Place, source: Path) -> dict[str, Arguments]:
    """Ways to the answers of a run: as they are, by a class, by a program, by files, in another process."""
    folder = place.folder / "parrot"
    folder.mkdir()
    for _key, question, answer in exchanges(source):
        write_answer(answer, folder / hashlib.sha256(question.pcm16.tobytes()).hexdigest())
    (folder / "parrot.py").write_text(PARROT)
    parrot = f"python:{folder / 'parrot.py'}:Parrot"
    return {
        "class": ("--model", parrot),
        "isolated": ("--model", parrot, "--python", sys.executable),
        "command": ("--model", f"command:{write_program(folder, PARROT_PROGRAM)}"),
        "replayed run": ("--model", f"replay:{source}"),
        "recordings": ("--model", f"replay:{as_recordings(source, place.folder / 'recordings')}"),
    }


def assert_equal_scores(place: Place, *arguments: object) -> list[Heard]:
    """Let the oracle answer, and hand its answers over in every way: what is heard and scored is equal.

    Returns:
        What it is.
    """
    plain = place.folder / "plain"
    place.patch.setattr(sys, "path", [*sys.path])
    done = place.cli("run", "--model", "fake:oracle", *place.limited, *arguments, "--out", plain)
    assert done.code == 0, done.err
    expected = heard_and_scored(load_run(plain))
    ways = same_answers(place, plain)
    found = {}
    with LocalServer(
        catalog.make_model(RunSpec(model=str(ways["class"][1]))), ServerSettings(name="parrot", port=0)
    ) as server:
        ways["served"] = ("--model", "openai:parrot", "--base-url", f"{server.url}/v1")
        ways["streamed"] = (*ways["served"], "--set", "stream=true", "--set", "format=wav")
        for name, way in ways.items():
            done = place.cli("run", *way, *place.limited, *arguments, "--out", place.folder / name)
            assert done.code == 0, done.err
            found[name] = heard_and_scored(load_run(place.folder / name))
    assert {name: one == expected for name, one in found.items()} == dict.fromkeys(ways, True)
    assert len({score.value for _, _, _, scores in expected for score in scores}) > 2, "scores alike show nothing"
    return expected


Heard = tuple[str, str, list[Transcript | None], tuple[Score, ...]]
"""Suite, sample, every transcript and every score, with all that stands behind it."""


def heard_and_scored(log: RunLog) -> list[Heard]:
    return [
        (attempt.suite, attempt.sample, [turn.transcript for turn in attempt.turns], attempt.scores)
        for attempt in log.attempts
    ]


def skip_without(*weights: str, languages: Sequence[str] = ("en",)) -> None:
    lacking = [f"aqaa-eval fetch {name}" for name in weights if not is_present(name)]
    lacking += missing_for(set(languages))
    if lacking:
        pytest.skip("; ".join(lacking))


def test_the_same_answers_get_the_same_scores_whichever_way_they_came(place: Place) -> None:
    skip_without(EAR)
    two = replace(place, limit=2)
    expected = assert_equal_scores(two, "--suite", "voice_control", "--asr", EAR, "--speech-mos", "none", "--quiet")
    assert all(transcript and transcript.text for _, _, heard, _ in expected for transcript in heard)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_longer_runs_complete_too(way: Way, place: Place) -> None:
    skip_without(EAR)
    log = run(replace(place, limit=3), way, "--asr", EAR, "--speech-mos", "none", "--quiet")
    assert len(log.attempts) == 3 * len(BUNDLED)
    assert not failures(log) & {"model_error", "timeout", "bad_input"}


class Remembering:
    """An ear that hears every sound once, because seven runs over the same answers are to be compared.

    Attributes:
        n_heard: sounds that it did hear.
    """

    def __init__(self, ear: Transcriber) -> None:
        self._ear = ear
        self._known: dict[object, Transcript] = {}
        self.identity = ear.identity

    @property
    def n_heard(self) -> int:
        return len(self._known)

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        keys = [(clip.audio.content_hash, clip.language, clip.languages) for clip in clips]
        new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in self._known}
        self._known.update(zip(new, self._ear.transcribe(list(new.values())), strict=True))
        return [self._known[key] for key in keys]


@pytest.mark.slow
def test_the_same_answers_get_the_same_scores_in_every_suite(place: Place) -> None:
    skip_without("whisper:base", languages=("en", "ja", "zh"))
    ear = Remembering(catalog.make_transcriber("whisper:base"))
    place.patch.setattr(catalog, "make_transcriber", lambda *_names, **_options: ear)
    expected = assert_equal_scores(replace(place, limit=2), "--asr", "whisper:base", "--speech-mos", "none", "--quiet")
    assert Counter(suite for suite, _, _, _ in expected) == dict.fromkeys(BUNDLED, 2)
    assert ear.n_heard == sum(len(heard) for _, _, heard, _ in expected), "an answer reached the ear changed"
