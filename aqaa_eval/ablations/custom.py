"""An ablation of one's own, from YAML: arms are overrides of one run spec.

    title: Two ears
    base: {model: cascade, suites: [gaming]}
    arms:
      whisper-base: {asr: "whisper:base"}
      tiny: {asr: "faster-whisper:tiny.en", title: the small ear}
    measures: [mos, fidelity]
    claims:
      - {says: the larger ear hears more, measure: fidelity, better: whisper-base, worse: tiny}

`base` may be left out: then it is what the command line says. Later arms are held against the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.measures import RUN_MEASURES, measure_named
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import RunSpec, describe_validation, parse_run_spec
from aqaa_eval.reports.ablation import Claim

_ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


class ClaimEntry(BaseModel):
    """A claim as the file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: Annotated[str, Field(min_length=1)]
    measure: str
    better: str
    worse: str


class AblationFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    question: str = ""
    base: dict[str, Any] = {}
    arms: Annotated[dict[str, dict[str, Any]], Field(min_length=2)]
    measures: tuple[str, ...] = ()
    claims: tuple[ClaimEntry, ...] = ()


def custom_design(
    values: Mapping[str, Any],
    base: Mapping[str, Any],
    *,
    name: str,
    complete: Callable[[RunSpec], RunSpec] = lambda spec: spec,
) -> Design:
    """The design of a file.

    Args:
        values: of the file.
        base: run-spec fields of the command line, which win over the file's `base` and lose to an arm.
        name: of the file, for messages.
        complete: fills in defaults that depend on the machine.

    Raises:
        UsageError: a field is unknown or wrong, or a claim names an arm that is none.
    """
    try:
        file = AblationFile.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(describe_validation(error, name=name)) from error
    arms = tuple(_arm(arm, overrides, {**file.base, **base}, name, complete) for arm, overrides in file.arms.items())
    claims = tuple(Claim(**entry.model_dump(), source=name) for entry in file.claims)
    names = [arm.name for arm in arms]
    for claim in claims:
        unknown = [arm for arm in (claim.better, claim.worse) if arm not in names]
        if unknown:
            raise UsageError(f"{name}: a claim names the arm {unknown[0]!r}; arms are {', '.join(names)}")
    named = (*file.measures, *(claim.measure for claim in claims if claim.measure not in file.measures))
    measures = tuple(measure_named(key) for key in dict.fromkeys(named)) if file.measures else ()
    extra = tuple(measure_named(claim.measure) for claim in claims if claim.measure not in _KNOWN)
    return Design(
        name=Path(name).stem,
        title=file.title or Path(name).stem,
        question=file.question or f"what changes between {', '.join(names)}?",
        arms=arms,
        comparisons=with_claims(against_first(names), claims),
        measures=measures or (*RUN_MEASURES, *extra),
        claims=claims,
    )


_KNOWN = frozenset(measure.key for measure in RUN_MEASURES)


def _arm(
    arm: str,
    overrides: Mapping[str, Any],
    base: Mapping[str, Any],
    name: str,
    complete: Callable[[RunSpec], RunSpec],
) -> Arm:
    if not _ARM_NAME.fullmatch(arm):
        raise UsageError(f"{name}: arm {arm!r} names a folder: use letters, digits, '.', '_' and '-', at most 60")
    values = {**base, **overrides}
    title = str(values.pop("title", arm))
    for field in ("model_options", "judge_options", "asr_options", "suite_options"):
        # Settings are overridden one by one, so that an arm that changes one keeps the others.
        if isinstance(base.get(field), dict) and isinstance(overrides.get(field), dict):
            values[field] = {**base[field], **overrides[field]}
    if "model" not in values:
        raise UsageError(f"{name}: arm {arm}: name a model, in `base`, in the arm or by --model")
    return Arm(name=arm, title=title, spec=complete(parse_run_spec(values, name=f"{name}: arm {arm}")))
