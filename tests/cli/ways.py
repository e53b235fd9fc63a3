"""Every way to a model, set up for whole runs: the tests take a conversation or three of each suite, the bench all.

The weights are tiny and random, the programs and servers real. Only the cascade's weights are the published ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from aqaa_eval.adapters import fake
from aqaa_eval.core.attempt import Response
from aqaa_eval.core.audio import Audio, encode_audio, read_audio
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.replay import run_answers
from aqaa_eval.serving.server import LocalServer, ServerSettings
from tests.adapters.test_command import write_program
from tests.adapters.test_kimi_audio import KimiAudio
from tests.adapters.tiny_qwen import write_qwen3, write_qwen25
from tests.cli.conftest import Done

Cli = Callable[..., Done]
Arguments = tuple[object, ...]
ROOT = Path(__file__).resolve().parents[2]
PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")
SAY_BACK = "request = json.load(sys.stdin)\n"
SAY_BACK += 'shutil.copy(request["messages"][-1]["audio"], request["output_audio"])\n'
TINY = ("--set", "max_new_tokens=3", "--set", "max_audio_tokens=6", "--set", "device=cpu")


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a way to a model may need.

    Attributes:
        folder: of its own.
        cli: runs a command line, in this process or in one of its own.
        patch: what is changed here and for child processes, until it is undone.
        limit: conversations per suite that will be asked; None for all.
    """

    folder: Path
    cli: Cli
    patch: pytest.MonkeyPatch
    limit: int | None = 1

    @property
    def limited(self) -> Arguments:
        """The limit as arguments."""
        return () if self.limit is None else ("--limit", self.limit)


Way = Callable[[Place], AbstractContextManager[Arguments]]
"""Sets a model up, and gives the arguments that name it."""


@contextmanager
def cascade(_place: Place) -> Iterator[Arguments]:
    yield "--model", "cascade", "--set", "max_new_tokens=8"


@contextmanager
def reference(_place: Place) -> Iterator[Arguments]:
    yield "--model", "reference:tiny-random", "--set", "max_new_tokens=30"


@contextmanager
def in_process(_place: Place) -> Iterator[Arguments]:
    yield "--model", "fake:echo"


@contextmanager
def command(place: Place) -> Iterator[Arguments]:
    yield "--model", f"command:{write_program(place.folder, SAY_BACK)}"


@contextmanager
def isolated(_place: Place) -> Iterator[Arguments]:
    yield "--model", "fake:echo", "--python", sys.executable


@contextmanager
def served(_place: Place) -> Iterator[Arguments]:
    with LocalServer(fake.build("echo", {}), ServerSettings(name="fake:echo", port=0)) as server:
        yield "--model", "openai:fake:echo", "--base-url", f"{server.url}/v1"


@contextmanager
def recorded(place: Place) -> Iterator[Arguments]:
    """A folder of recordings, as somebody else would hand them over."""
    source = place.folder / "source"
    assert place.cli("run", "--model", "fake:echo", *place.limited, "--out", source, *PLAIN).code == 0
    yield "--model", f"replay:{as_recordings(source, place.folder / 'recordings')}"


@contextmanager
def replayed(place: Place) -> Iterator[Arguments]:
    """The folder of an earlier run."""
    source = place.folder / "source"
    assert place.cli("run", "--model", "fake:echo", *place.limited, "--out", source, *PLAIN).code == 0
    yield "--model", f"replay:{source}"


@contextmanager
def qwen25(place: Place) -> Iterator[Arguments]:
    yield "--model", f"qwen2.5-omni:{write_qwen25(place.folder / 'tiny')}", *TINY


@contextmanager
def qwen3(place: Place) -> Iterator[Arguments]:
    yield "--model", f"qwen3-omni:{write_qwen3(place.folder / 'tiny')}", *TINY


@contextmanager
def kimi(place: Place) -> Iterator[Arguments]:
    """A package of the name that the adapter imports, found here and in child processes."""
    packages = place.folder / "packages"
    package = packages / "kimia_infer" / "api"
    package.mkdir(parents=True)
    (package / "kimia.py").write_text(f"from {__name__} import Talkative as KimiAudio\n")
    place.patch.syspath_prepend(packages)
    place.patch.setenv("PYTHONPATH", f"{packages}{os.pathsep}{ROOT}")
    try:
        yield "--model", "kimi-audio", "--set", "trust_remote_code=true"
    finally:
        for name in ("kimia_infer.api.kimia", "kimia_infer.api", "kimia_infer"):
            sys.modules.pop(name, None)


class Talkative(KimiAudio):
    """The stand-in of the adapter's own tests answers its first question only; this one all of them."""

    def generate(self, *given: object, **settings: object) -> tuple[torch.Tensor | None, str]:
        self.wave = 0.1 * torch.sin(torch.arange(12_000) / 10)[None]
        return super().generate(*given, **settings)  # type: ignore[arg-type]


WAYS: tuple[Way, ...] = (
    cascade,
    reference,
    in_process,
    command,
    isolated,
    served,
    recorded,
    replayed,
    qwen25,
    qwen3,
    kimi,
)


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
