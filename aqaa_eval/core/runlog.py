"""What a run left behind, as records without sound: what reports, comparisons and gates read.

Sound is named by file (in the run's `audio/` folder), so a log of ten thousand attempts fits in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.core.attempt import Finish, Score, Timing, Transcript
from aqaa_eval.core.card import Card
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.shard import Shard

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionLog:
    """One question as it was asked.

    Attributes:
        audio: file name in the run's audio folder; None if the recording could not be read.
    """

    audio: str | None
    text: str
    language: str
    answer_language: str
    reference: str | None
    rubric: str | None
    voice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLog:
    """One question, the answer to it and its transcript.

    Attributes:
        audio: file name of the answer in the run's audio folder; None if nothing was said.
        text: the model's own text; None if it gives none.
        timing: None if the model gave no response.
        duration_s: length of the answer's audio; None if there is none.
        failure: what went wrong with the turn, with a sentence in `detail`.
    """

    question: QuestionLog
    audio: str | None
    text: str | None
    timing: Timing | None
    duration_s: float | None
    finish: Finish | None
    transcript: Transcript | None
    failure: Failure | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLog:
    """One conversation put to the model once, with its scores (empty if it was not judged)."""

    suite: str
    sample: str
    repeat: int
    turns: tuple[TurnLog, ...]
    scores: tuple[Score, ...]

    @property
    def key(self) -> str:
        """Unique in the run: "gaming/g03" or "gaming/g03@1" for a later repeat."""
        return f"{self.suite}/{self.sample}" + (f"@{self.repeat}" if self.repeat else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The measuring chain: what has to be equal for two runs to be comparable, and what made them.

    Attributes:
        model: identity of the model under test.
        asr: identity of the transcriber; "none" if there was none.
        judge: identity of the judges, with versions and prompts by hash.
        normaliser: version of the text normaliser.
        suites: data hash by suite id.
        versions: package versions.
        shard: which part of the run this is; None for the whole.
        audio_store: URL of the sound; "" for the run's own folder.
    """

    model: str
    asr: str
    judge: str
    normaliser: str
    suites: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    shard: Shard | None = None
    audio_store: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """One run.

    Attributes:
        folder: where it lies; audio names are relative to `folder / "audio"`.
        cards: by suite id, in the order of the run.
        attempts: in the order of suites, samples, repeats; only those that were begun.
        n_planned: attempts that the spec asks for.
        not_run: conversations that could not be asked at all, with reasons.
        notes: what a reader must know of the measuring, such as a judge that drifted.
    """

    folder: Path
    spec: RunSpec
    manifest: Manifest
    cards: Mapping[str, Card]
    attempts: tuple[AttemptLog, ...]
    n_planned: int
    not_run: tuple[NotRun, ...] = ()
    notes: tuple[str, ...] = ()

    def scores(self) -> pd.DataFrame:
        """One row per score, with its keys; see `aqaa_eval.core.frames.SCORE_COLUMNS`."""
        from aqaa_eval.core.frames import scores_frame

        return scores_frame(self)

    def turns(self) -> pd.DataFrame:
        """One row per turn, with texts and times; see `aqaa_eval.core.frames.TURN_COLUMNS`."""
        from aqaa_eval.core.frames import turns_frame

        return turns_frame(self)
