"""What a run is asked to do. Two runs with equal specs on equal data and weights give equal scores."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aqaa_eval.core.errors import UsageError

OptionValue = str | int | float | bool


class RunSpec(BaseModel):
    """The spec of one run, from the command line or from YAML.

    Attributes:
        model: name of the model under test, such as "cascade" or "fake:echo".
        model_options: settings of the adapter, by name.
        python: interpreter that the adapter runs in, as a process of its own; None for this one.
        suites: ids of suites, or of sets of suites ("mini" is the nine bundled ones).
        suite_options: settings of the suites' source, such as a revision or the columns of a table, by name.
        limit: conversations per suite at the most; None for all.
        repeats: how often each conversation is put to the model, each time with another seed.
        seed: the seed from which every other one is derived.
        perturb: what is done to the questions' sound, such as "noise:10dB"; empty for clean ones.
        asr: transcriber of the answers; "none" leaves them untranscribed.
        asr_options: settings of the transcriber, by name.
        second_asr: a second ear that marks the words on which the two disagree; "none" for one ear.
        judge: who scores; several are comma-separated.
        judge_options: settings of the judges, by name.
        speech_mos: MOS predictors and measurements of the answers' sound, such as "distillmos" or "versa:FILE".
        channel: which text the checks read: the transcript of the speech, or the model's own text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    model_options: dict[str, OptionValue] = {}
    python: str | None = None
    suites: tuple[str, ...] = ("mini",)
    suite_options: dict[str, OptionValue] = {}
    limit: Annotated[int, Field(ge=1)] | None = None
    repeats: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    perturb: tuple[str, ...] = ()
    asr: str = "whisper:base"
    asr_options: dict[str, OptionValue] = {}
    second_asr: str = "none"
    judge: str = "checks"
    judge_options: dict[str, OptionValue] = {}
    speech_mos: tuple[str, ...] = ("distillmos", "dnsmos", "acoustic")
    channel: Literal["audio", "text"] = "audio"

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of the spec's SHA-256: names the default run folder."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:8]

    @property
    def answer_options(self) -> dict[str, OptionValue]:
        """The model's settings without those of the process it runs in, which change no answer.

        >>> RunSpec(model="m", model_options={"voice": "b", "worker_timeout_s": 60}).answer_options
        {'voice': 'b'}
        """
        return {name: value for name, value in self.model_options.items() if not name.startswith("worker_")}

    @property
    def label(self) -> str:
        """The model as a page names it: of a path only the last part.

        >>> RunSpec(model="reference:/data/checkpoints/step7").label
        'reference:step7'
        """
        head, colon, argument = self.model.partition(":")
        return head + colon + argument.rstrip("/").rsplit("/", 1)[-1]

    def seed_of(self, *parts: object) -> int:
        """A seed in [0, 2**31) for one named thing, such as a turn of a repeat.

        >>> RunSpec(model="m").seed_of("gaming", "g01", 0) == RunSpec(model="m").seed_of("gaming", "g01", 0)
        True
        """
        name = json.dumps([self.seed, *map(str, parts)])
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1


def describe_validation(error: ValidationError, *, name: str) -> str:
    """One sentence per wrong field, with the value that was given."""
    lines = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "(whole)"
        lines.append(f"{name}: {field}: {item['msg']} (got {repr(item['input'])[:200]})")
    return "\n".join(lines)


def parse_run_spec(values: dict[str, object], *, name: str) -> RunSpec:
    """Check the values of a spec.

    Raises:
        UsageError: a field is unknown or out of range; the message lists all.
    """
    try:
        return RunSpec.model_validate(values)
    except ValidationError as error:
        raise UsageError(describe_validation(error, name=name)) from error
