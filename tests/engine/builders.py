"""Small real parts for engine tests: a suite on disk, a judge of the answer's length, a transcriber of nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aqaa_eval.core.attempt import Attempt, Score, Status, Transcript
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.card import Card
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.protocols import Clip, SpeechModel
from aqaa_eval.core.runlog import Manifest
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import AudioFile, Sample, Turn
from aqaa_eval.engine.executors.local import LocalExecutor
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.run import Outcome, RunRequest, run
from aqaa_eval.engine.work import Tools


def tone(frequency_hz: float, *, duration_s: float = 0.3, sample_rate_hz: int = 16_000) -> Audio:
    """A quiet sine."""
    t_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    samples = (0.3 * np.sin(2 * np.pi * frequency_hz * t_s)).astype(np.float32)
    return Audio(samples=samples, sample_rate_hz=sample_rate_hz)


@dataclass(frozen=True, kw_only=True)
class ToneSuite:
    """Conversations whose questions are tones, written to a folder."""

    folder: Path
    n_samples: int = 3
    n_turns: int = 2
    id: str = "tones"

    @property
    def card(self) -> Card:
        return Card(
            id=self.id,
            title="Tones",
            measures="nothing",
            languages=("en",),
            weights={"content": 1.0},
            scoring="length",
            licence="Apache-2.0",
            source="tests",
            version="1",
        )

    @property
    def data_hash(self) -> str:
        return f"{self.n_samples}x{self.n_turns}"

    @property
    def not_run(self) -> tuple[NotRun, ...]:
        return ()

    def samples(self) -> Iterator[Sample]:
        for number in range(self.n_samples):
            yield Sample(suite=self.id, id=f"t{number:02d}", turns=tuple(self._turns(number)))

    def _turns(self, number: int) -> Iterator[Turn]:
        for index in range(self.n_turns):
            path = self.folder / f"{number}-{index}.wav"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(f".{os.getpid()}")  # a run that is killed here leaves no half a question
                part.write_bytes(encode_audio(tone(200 + 50 * number + 10 * index), container="WAV"))
                part.replace(path)
            yield Turn(audio=AudioFile(path=path), text="beep", language="en", answer_language="en")


@dataclass(frozen=True, kw_only=True)
class LengthJudge:
    """Scores an attempt by the seconds of its answers; counts its calls in a file."""

    identity: str = "length@1"
    calls: Path | None = None

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        if self.calls:
            with self.calls.open("a") as file:
                file.write(attempt.sample.key + "\n")
        broken = next((turn for turn in attempt.turns if turn.response is None), None)
        if broken is not None:
            return (
                Score(
                    metric="mos",
                    value=None,
                    status=Status.FAILED,
                    reason=broken.detail,
                    judge=self.identity,
                    failure=broken.failure,
                ),
            )
        total_s = sum(turn.response.audio.duration_s for turn in attempt.turns if turn.response and turn.response.audio)
        return (Score(metric="mos", value=1.0 + total_s, reason="length", judge=self.identity),)


@dataclass(frozen=True, kw_only=True)
class CountingTranscriber:
    """Hears the number of samples."""

    identity: str = "count@1"
    calls: Path | None = None

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        if self.calls:
            with self.calls.open("a") as file:
                file.write("".join("clip\n" for _ in clips))
        return [
            Transcript(text=str(len(clip.audio.samples)), language="en", confidence=1.0, asr=self.identity)
            for clip in clips
        ]


class Watcher:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.begun: dict[str, int] = {}
        self.stages: list[str] = []

    def begin(self, *, n_jobs: int, n_stored: int) -> None:
        self.begun = {"n_jobs": n_jobs, "n_stored": n_stored}

    def advance(self, stage: str, failures: Sequence[Failure]) -> None:
        self.stages.append(stage)


def request(
    folder: Path,
    model: SpeechModel | None,
    *,
    suite: ToneSuite,
    judge: LengthJudge | None = None,
    transcriber: CountingTranscriber | None = None,
    spec: RunSpec | None = None,
    model_identity: str = "",
) -> RunRequest:
    """A request over the small parts."""
    judge = judge or LengthJudge()
    tools = Tools(
        model=model,
        model_identity=model.identity if model else model_identity,
        transcriber=transcriber,
        judge=judge,
        guard=lambda audio: Failure.SILENT if not audio.samples.any() else None,
    )
    manifest = Manifest(model=tools.model_identity, asr=tools.asr_identity, judge=judge.identity, normaliser="0")
    return RunRequest(
        spec=spec or RunSpec(model=tools.model_identity, suites=(suite.id,)),
        suites=[suite],
        tools=tools,
        manifest=manifest,
        folder=RunFolder(folder),
        only_stored=model is None,
    )


def drive(what: RunRequest) -> Outcome:
    """Run it locally."""
    return run(what, executor=LocalExecutor(), progress=Watcher())


def dump(folder: Path) -> str:
    """All that a run says, as text that can be compared."""
    from pydantic import TypeAdapter

    from aqaa_eval.core.runlog import AttemptLog
    from aqaa_eval.engine.load import load_run

    attempts = TypeAdapter(tuple[AttemptLog, ...]).dump_python(load_run(folder).attempts, mode="json")
    return json.dumps(attempts, indent=1)
