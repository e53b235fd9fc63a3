"""What the arms of an ablation are made with: parts by name from the catalogue, equal ones made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqaa_eval import catalog
from aqaa_eval.ablations.running import Place
from aqaa_eval.cli.execute import close_judge, manifest_of, versions_elsewhere
from aqaa_eval.core.protocols import Judge, SpeechModel, Suite, Transcriber
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.run import RunRequest
from aqaa_eval.engine.work import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an arm has in the place of the parts that its spec names."""

    model: SpeechModel
    judge: Judge


class CatalogWorkshop:
    """Makes run requests from specs. Models of one name share their weights where they can."""

    def __init__(self, verdicts: Path, *, quiet: bool) -> None:
        """Make nothing yet.

        Args:
            verdicts: file that keeps what language models said, for all arms.
            quiet: tell no account of the judges.
        """
        self._verdicts = verdicts
        self._quiet = quiet
        self._suites: dict[str, list[Suite]] = {}
        self._models: dict[str, SpeechModel] = {}
        self._transcribers: dict[str, Transcriber | None] = {}
        self._judges: dict[str, Judge] = {}

    def request(
        self, place: Place, suites: list[Suite] | None = None, parts: Callable[[str, Judge], Parts] | None = None
    ) -> RunRequest:
        """The run of an arm, into its folder.

        Args:
            place: the arm, its spec and its folder.
            suites: in the place of those that the spec names.
            parts: model and judge of the arm, from its name and the judge of its spec.
        """
        spec = place.spec
        suites = suites or self._suites_of(spec)
        transcriber, judge = self._transcriber(spec), self._judge(spec, suites)
        if parts is None:
            model = self._model(spec, place)
        else:
            own = parts(place.arm, judge)
            model, judge = own.model, own.judge
        tools = Tools(
            model=model,
            model_identity=model.identity,
            transcriber=transcriber,
            judge=judge,
            guard=catalog.find_guard(),
            languages={suite.card.id: suite.card.languages for suite in suites},
        )
        manifest = manifest_of(model.identity, transcriber, judge, suites, versions_elsewhere(model))
        return RunRequest(spec=spec, suites=suites, tools=tools, manifest=manifest, folder=place.folder)

    def _suites_of(self, spec: RunSpec) -> list[Suite]:
        key = _key(spec, "suites", "suite_options", "perturb", "seed")
        if key not in self._suites:
            self._suites[key] = catalog.suites_of(spec)
        return self._suites[key]

    def _transcriber(self, spec: RunSpec) -> Transcriber | None:
        key = _key(spec, "asr", "asr_options", "second_asr")
        if key not in self._transcribers:
            self._transcribers[key] = catalog.make_transcriber(spec.asr, spec.asr_options, second=spec.second_asr)
        return self._transcribers[key]

    def _judge(self, spec: RunSpec, suites: list[Suite]) -> Judge:
        key = _key(spec, "judge", "judge_options", "speech_mos", "channel", "suites", "suite_options")
        if key not in self._judges:
            self._judges[key] = catalog.make_judge(spec, suites, verdicts=self._verdicts)
        return self._judges[key]

    def _model(self, spec: RunSpec, place: Place) -> SpeechModel:
        own = _key(spec, "model", "model_options", "python", "suites", "seed")
        if own not in self._models:
            self._models[own] = self._made(spec, place)
        return self._models[own]

    def _made(self, spec: RunSpec, place: Place) -> SpeechModel:
        """The model, by other settings of one that is there already if it can."""
        weights = f"weights of {_key(spec, 'model', 'python')}"
        switch = getattr(self._models.get(weights), "with_settings", None)
        if switch is not None:
            switched: SpeechModel = switch(spec.model_options)
            return switched
        model = catalog.make_model(spec, log=place.folder.path / "model.log")
        self._models[weights] = model
        return model

    def close(self) -> None:
        """Let the judges go."""
        for judge in self._judges.values():
            close_judge(judge, quiet=self._quiet)


def _key(spec: RunSpec, *fields: str) -> str:
    values: dict[str, Any] = spec.model_dump(mode="json", include=set(fields))
    return json.dumps(values, sort_keys=True)
