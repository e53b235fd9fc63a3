"""The tools of one stage, made in a worker process from nothing but the spec."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqaa_eval.catalog.ears import make_transcriber
from aqaa_eval.catalog.judging import make_judge
from aqaa_eval.catalog.models import find_guard, make_model
from aqaa_eval.core.card import Card
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.executors.bench import Bench
from aqaa_eval.engine.pipeline import Pipeline
from aqaa_eval.engine.remote_audio import open_audio
from aqaa_eval.engine.run import stages_of
from aqaa_eval.engine.work import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A tool that works elsewhere: only its name is needed here."""

    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOnly:
    """A suite of which only the card is needed."""

    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWorkshop:
    """Makes stages in other processes; pickled on the way there.

    Attributes:
        cards: of the run's suites.
        audio_folder: the run's own, seen by all nodes; not used if `audio_store` is given.
        audio_store: URL for the sound; "" for the folder.
        model, asr: identities, known before the later stages are made.
    """

    spec: RunSpec
    cards: tuple[Card, ...]
    audio_folder: Path
    audio_store: str = ""
    model: str = ""
    asr: str = ""

    def __call__(self, stage: str) -> Bench:
        """Make the tool of a stage, and with it the stage.

        Raises:
            AqaaError: it cannot be had on this node.
        """
        model: Any = make_model(self.spec) if stage == "generate" else None
        ear: Any = Named(identity=self.asr) if self.asr not in ("", "none") else None
        if stage == "transcribe":
            ear = make_transcriber(self.spec.asr, self.spec.asr_options, second=self.spec.second_asr)
        judge: Any = Named(identity="")
        if stage == "judge":
            judge = make_judge(self.spec, [CardOnly(card=card) for card in self.cards])
        tools = Tools(
            model=model,
            model_identity=model.identity if model else self.model,
            transcriber=ear,
            judge=judge,
            guard=find_guard(),
            languages={card.id: card.languages for card in self.cards},
        )
        audio = open_audio(self.audio_folder, self.audio_store)
        pipeline = Pipeline(spec=self.spec, tools=tools, audio=audio)
        tool = {"generate": model, "transcribe": ear, "judge": judge}[stage]
        return Bench(
            identity=tool.identity,
            stage=next(found for found in stages_of(pipeline, tools) if found.name == stage),
            sync=audio.sync,
            versions=dict(getattr(tool, "environment", {})),
        )
