"""Every way to a model: whole runs over the bundled suites, and the same scores for the same answers.

The weights are tiny and random, the programs and servers real. Only the cascade's weights are the published ones.
"""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from aqaa_eval import catalog
from aqaa_eval.adapters import fake
from aqaa_eval.catalog import MODELS, missing_of
from aqaa_eval.core.attempt import Response, Score, Transcript
from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.weights import is_present
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.replay import run_answers
from aqaa_eval.serving.server import LocalServer, ServerSettings
from aqaa_eval.tasks.speaking.performer import missing_for
from tests.adapters.test_command import write_program
from tests.adapters.test_kimi_audio import KimiAudio
from tests.adapters.tiny_qwen import write_qwen3, write_qwen25
from tests.cli.conftest import Done

pytestmark = pytest.mark.filterwarnings("ignore:Passing .repetition_penalty. with:UserWarning")
Cli = Callable[..., Done]
PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")
SAY_BACK = "request = json.load(sys.stdin)\n"
SAY_BACK += 'shutil.copy(request["messages"][-1]["audio"], request["output_audio"])\n'
TINY = ("--set", "max_new_tokens=3", "--set", "max_audio_tokens=6", "--set", "device=cpu")
NINE = 9
EAR = "faster-whisper:tiny.en"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a way to a model may need: a folder of its own, the command line, and the test's switches."""

    folder: Path
    cli: Cli
    patch: pytest.MonkeyPatch


Arguments = tuple[object, ...]


@contextmanager
def cascade(_bench: Bench) -> Iterator[Arguments]:
    lacking = missing_of(MODELS["cascade"])
    if lacking:
        pytest.skip(f"the cascade's models are not here: {'; '.join(lacking)}")
    yield "--model", "cascade", "--set", "max_new_tokens=8"


@contextmanager
def reference(_bench: Bench) -> Iterator[Arguments]:
    yield "--model", "reference:tiny-random", "--set", "max_new_tokens=30"


@contextmanager
def in_process(_bench: Bench) -> Iterator[Arguments]:
    yield "--model", "fake:echo"


@contextmanager
def command(bench: Bench) -> Iterator[Arguments]:
    yield "--model", f"command:{write_program(bench.folder, SAY_BACK)}"


@contextmanager
def isolated(_bench: Bench) -> Iterator[Arguments]:
    yield "--model", "fake:echo", "--python", sys.executable


@contextmanager
def served(_bench: Bench) -> Iterator[Arguments]:
    with LocalServer(fake.build("echo", {}), ServerSettings(name="fake:echo", port=0)) as server:
        yield "--model", "openai:fake:echo", "--base-url", f"{server.url}/v1"


@contextmanager
def recorded(bench: Bench) -> Iterator[Arguments]:
    """A folder of recordings, as somebody else would hand them over."""
    limit = bench.folder / "limit"
    n = int(limit.read_text()) if limit.exists() else 1
    source = bench.folder / "source"
    assert bench.cli("run", "--model", "fake:echo", "--limit", n, "--out", source, *PLAIN).code == 0
    yield "--model", f"replay:{as_recordings(source, bench.folder / 'recordings')}"


def as_recordings(source: Path, target: Path) -> Path:
    """The answers of a run as WAV files with their words, named by turn."""
    for key, _question, answer in exchanges(source):
        sample, _, turn = key.rpartition("#")
        (target / sample).mkdir(parents=True, exist_ok=True)
        write_answer(answer, target / sample / f"turn{turn}")
    return target


def exchanges(source: Path) -> Iterator[tuple[str, Audio, Response]]:
    """Key, question and answer of every turn of a run."""
    answer_of = run_answers(source)
    for attempt in load_run(source).attempts:
        for index, turn in enumerate(attempt.turns):
            key = f"{attempt.suite}/{attempt.sample}#{index}"
            answer = answer_of(key)
            assert answer is not None
            assert turn.question.audio is not None
            yield key, read_audio(source / "audio" / turn.question.audio), answer


def write_answer(answer: Response, stem: Path) -> None:
    assert answer.audio is not None
    stem.with_suffix(".wav").write_bytes(encode_audio(answer.audio, container="WAV"))
    if answer.text:
        stem.with_suffix(".txt").write_text(answer.text)


@contextmanager
def qwen25(bench: Bench) -> Iterator[Arguments]:
    yield "--model", f"qwen2.5-omni:{write_qwen25(bench.folder / 'tiny')}", *TINY


@contextmanager
def qwen3(bench: Bench) -> Iterator[Arguments]:
    yield "--model", f"qwen3-omni:{write_qwen3(bench.folder / 'tiny')}", *TINY


@contextmanager
def kimi(bench: Bench) -> Iterator[Arguments]:
    for name in ("kimia_infer", "kimia_infer.api", "kimia_infer.api.kimia"):
        bench.patch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["kimia_infer.api.kimia"].KimiAudio = Talkative  # type: ignore[attr-defined]
    yield "--model", "kimi-audio"


class Talkative(KimiAudio):
    """The stand-in of the adapter's own tests answers its first question only; this one all of them."""

    def generate(self, *given: object, **settings: object) -> tuple[torch.Tensor | None, str]:
        self.wave = 0.1 * torch.sin(torch.arange(12_000) / 10)[None]
        return super().generate(*given, **settings)  # type: ignore[arg-type]


WAYS = (cascade, reference, in_process, command, isolated, served, recorded, qwen25, qwen3, kimi)
TWO_SUITES = ("--suite", "logical_reasoning,voice_understanding")


@pytest.fixture
def bench(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(folder=tmp_path, cli=cli, patch=monkeypatch)
    torch.set_num_threads(before)


def run(bench: Bench, way: Callable, name: str, *arguments: object) -> RunLog:
    out = bench.folder / name
    with way(bench) as model:
        done = bench.cli("run", *model, *arguments, "--out", out)
    assert done.code == 0, done.err
    return load_run(out)


def failures(log: RunLog) -> set[object]:
    return {turn.failure for attempt in log.attempts for turn in attempt.turns}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_run_over_the_bundled_suites_completes(way: Callable, bench: Bench) -> None:
    suites: Sequence[object] = TWO_SUITES if way is cascade else ()
    log = run(bench, way, "run", *suites, "--limit", 1, *PLAIN)
    assert len(log.attempts) == (2 if way is cascade else NINE)
    assert failures(log) == {None}
    assert all(turn.duration_s for attempt in log.attempts for turn in attempt.turns)
    assert all(attempt.scores for attempt in log.attempts)


PARROT = """
import hashlib
import time
from pathlib import Path

from aqaa_eval.core.attempt import Response, Timing
from aqaa_eval.core.audio import read_audio


class Parrot:
    identity = "parrot@1"

    def answer(self, query):
        stem = Path(__file__).parent / hashlib.sha256(query.question.audio.pcm16.tobytes()).hexdigest()
        words, timing = stem.with_suffix(".txt").read_text(), Timing(first_audio_s=None, total_s=0.0)
        return Response(audio=read_audio(stem.with_suffix(".wav")), text=words, timing=timing)
"""
PARROT_PROGRAM = """
import hashlib, wave
request = json.load(sys.stdin)
with wave.open(request["messages"][-1]["audio"]) as question:
    name = hashlib.sha256(question.readframes(question.getnframes())).hexdigest()
for suffix, target in ((".wav", "output_audio"), (".txt", "output_text")):
    shutil.copy(os.path.join(os.path.dirname(__file__), name + suffix), request[target])
"""


def same_answers(bench: Bench, source: Path) -> dict[str, Arguments]:
    """Ways to the answers of a run: as they are, by a class, by a program, by files, in another process."""
    folder = bench.folder / "parrot"
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
        "recordings": ("--model", f"replay:{as_recordings(source, bench.folder / 'recordings')}"),
    }


def assert_equal_scores(bench: Bench, *arguments: object) -> None:
    """Let the oracle answer, and hand its answers over in every way: what is heard and scored is equal."""
    plain = bench.folder / "plain"
    bench.patch.setattr(sys, "path", [*sys.path])
    done = bench.cli("run", "--model", "fake:oracle", *arguments, "--out", plain)
    assert done.code == 0, done.err
    expected = heard_and_scored(load_run(plain))
    ways = same_answers(bench, plain)
    found = {}
    with LocalServer(
        catalog.make_model(RunSpec(model=str(ways["class"][1]))), ServerSettings(name="parrot", port=0)
    ) as server:
        ways["served"] = ("--model", "openai:parrot", "--base-url", f"{server.url}/v1")
        for name, way in ways.items():
            done = bench.cli("run", *way, *arguments, "--out", bench.folder / name)
            assert done.code == 0, done.err
            found[name] = heard_and_scored(load_run(bench.folder / name))
    assert len({score.value for _, _, _, scores in expected for score in scores}) > 2, "scores alike show nothing"
    assert all(transcript and transcript.text for _, _, heard, _ in expected for transcript in heard)
    assert {name: one == expected for name, one in found.items()} == dict.fromkeys(ways, True)


def heard_and_scored(log: RunLog) -> list[tuple[str, str, list[Transcript | None], tuple[Score, ...]]]:
    """Every transcript and every score, with all that stands behind it."""
    return [
        (attempt.suite, attempt.sample, [turn.transcript for turn in attempt.turns], attempt.scores)
        for attempt in log.attempts
    ]


def skip_without(*weights: str) -> None:
    lacking = [f"aqaa-eval fetch {name}" for name in weights if not is_present(name)]
    lacking += missing_for({"en"})
    if lacking:
        pytest.skip("; ".join(lacking))


def test_the_same_answers_get_the_same_scores_whichever_way_they_came(bench: Bench) -> None:
    skip_without(EAR)
    assert_equal_scores(
        bench, "--suite", "voice_control", "--limit", 2, "--asr", EAR, "--speech-mos", "none", "--quiet"
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_longer_runs_complete_too(way: Callable, bench: Bench) -> None:
    skip_without(EAR)
    (bench.folder / "limit").write_text("3")
    log = run(bench, way, "run", "--limit", 3, "--asr", EAR, "--speech-mos", "none", "--quiet")
    assert len(log.attempts) == 3 * NINE
    assert not failures(log) & {"model_error", "timeout", "bad_input"}


@pytest.mark.slow
def test_longer_runs_get_the_same_scores_too(bench: Bench) -> None:
    skip_without(EAR, "dnsmos")
    assert_equal_scores(
        bench, "--suite", "voice_control", "--limit", 8, "--asr", EAR, "--speech-mos", "dnsmos", "--quiet"
    )
