"""From a spec to the scoring chain: the named judges, fidelity, MOS predictors, and the card's fusion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aqaa_eval.catalog.here import missing_of
from aqaa_eval.catalog.names import JUDGES, LANGUAGE_MODELS, PREDICTORS, find, load_object
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.weights import is_present, locate

if TYPE_CHECKING:
    from aqaa_eval.core.card import Card
    from aqaa_eval.core.protocols import Judge
    from aqaa_eval.core.runspec import RunSpec


class Carded(Protocol):
    """Anything with a suite's card."""

    @property
    def card(self) -> Card:
        """What the suite measures."""
        ...


def make_judge(spec: RunSpec, suites: Sequence[Carded], *, verdicts: Path | None = None) -> Judge:
    """The scoring chain of a spec: the named judges, fidelity, MOS predictors, and the card's fusion.

    The first named judge gives the content and delivery that are fused; the others stand beside it under names of
    their own. Language models are one panel, wherever they are named.

    Args:
        spec: what to judge by.
        suites: their cards hold the weights.
        verdicts: file that keeps what language models said; None keeps nothing.

    Raises:
        UnknownName, MissingWeights, UsageError: a part cannot be had; the message says what to do.
    """
    from aqaa_eval.judges.chain import ScoringChain
    from aqaa_eval.judges.fidelity import FidelityJudge

    judges = _named_judges(spec, verdicts)
    judges.append(FidelityJudge())
    judges += _sound_judges(spec.speech_mos)
    weights = {suite.card.id: suite.card.weights for suite in suites}
    chain: Judge = ScoringChain(judges, weights)
    return chain


def _named_judges(spec: RunSpec, verdicts: Path | None) -> list[Judge]:
    from aqaa_eval.judges.aside import Aside

    names = [name.strip() for name in spec.judge.split(",")]
    heads = [name.partition(":")[0] for name in names]
    models = [name for name, head in zip(names, heads, strict=True) if head in LANGUAGE_MODELS]
    if spec.judge_options and not models:
        raise UsageError(f"--judge {spec.judge} has no settings; settings are for {', '.join(LANGUAGE_MODELS)}:MODEL")
    judges: list[Judge] = []
    for name, head in zip(names, heads, strict=True):
        if head not in LANGUAGE_MODELS:
            made, prefix = _named_judge(name, spec), head
        elif name == models[0]:
            build = load_object(JUDGES[head].target)
            anchors = verdicts.with_name("anchors.jsonl") if verdicts is not None else None
            kept = {"verdicts": verdicts, "anchors": anchors}
            made, prefix = build(models, spec.judge_options, channel=spec.channel, **kept), "judge"
        else:
            continue  # a member of the panel that stands there already
        judges.append(made if not judges else Aside(made, prefix=prefix))
    return judges


def _named_judge(name: str, spec: RunSpec) -> Judge:
    head, _, argument = name.partition(":")
    build = find("judge", "aqaa_eval.judges", JUDGES, head)
    if head == "checks":
        from aqaa_eval.tasks.checks import WORDLESS, evaluate, identity

        checks: Judge = build(evaluate, channel=spec.channel, version=identity(), wordless=WORDLESS)
        return checks
    made: Judge = build(argument)
    return made


def check_predictors(names: Sequence[str]) -> None:
    """Refuse a name after `--speech-mos` that nothing stands behind, before anything is loaded.

    Raises:
        UsageError: the name is unknown, or its weights or packages are not here; the message says what to do.
    """
    for name in names:
        head = name.partition(":")[0]
        if head not in PREDICTORS:
            raise UnknownName("MOS predictor", head, PREDICTORS)
        lacking = missing_of(PREDICTORS[head])
        if lacking:
            raise UsageError(f"--speech-mos {name} needs: {'; '.join(lacking)}. Or run with --speech-mos none")


def _sound_judges(names: Sequence[str]) -> list[Judge]:
    """The judges of how answers sound: all MOS predictors in one, and the others one each, in the order named."""
    check_predictors(names)
    made: list[Judge] = []
    predictors: list[Any] = []
    for name in names:
        head, _, argument = name.partition(":")
        build = load_object(PREDICTORS[head].target)
        if head == "versa":
            made.append(build(Path(argument)))
        elif head == "acoustic":
            made.append(build(speaker=speaker_encoder()))
        elif head == "nisqa":
            predictors.append(build(Path(argument)))
        else:
            predictors.append(build(locate(head)) if PREDICTORS[head].weights else build())
    if predictors:
        from aqaa_eval.judges.quality import QualityJudge

        made.insert(0, QualityJudge(predictors))
    return made


def speaker_encoder() -> Any:
    """The speaker encoder if its weights are here; None else."""
    if not is_present("resemblyzer"):
        return None
    from aqaa_eval.judges.speaker import SpeakerEncoder

    return SpeakerEncoder(locate("resemblyzer"))
