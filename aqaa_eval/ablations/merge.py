"""All stages beside each other: SFT 1, SFT 2, DPO, the paper's merge (5, 5, 1) / 11, and every share of the three.

Where the models are there, the decoder before SFT 1 and the one of plain DPO are arms, too: what each stage adds and
what it breaks then stands in one table, over the same conversations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.measures import MOS, RUN_MEASURES
from aqaa_eval.ablations.published import PAPER
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.metrics.effects import Comparison
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.training.merging import PAPER_WEIGHTS, merge_checkpoints
from aqaa_eval.reports.ablation import Claim

STAGES = ("sft1", "sft2", "dpo")
BEFORE, PLAIN = "before", "dpo_plain"
PAPER_MERGE = "merged_5_5_1"
_TITLES = {
    "sft1": "SFT 1",
    "sft2": "SFT 2",
    "dpo": "masked DPO",
    PAPER_MERGE: "merge (5, 5, 1) / 11",
    BEFORE: "before SFT 1",
    PLAIN: "plain DPO",
}
"""In the order of the arms: the radar shows the first four."""
_STEPS = (("sft1", BEFORE), ("sft2", "sft1"), (PLAIN, "sft1"), ("dpo", "sft1"))
"""What each stage began from."""


def simplex(steps: int) -> list[tuple[int, int, int]]:
    """All shares of three models in `steps` equal parts, without the three that are one model alone.

    >>> simplex(2)
    [(1, 1, 0), (1, 0, 1), (0, 1, 1)]
    """
    points = [(i, j, steps - i - j) for i in range(steps, -1, -1) for j in range(steps - i, -1, -1)]
    return [point for point in points if max(point) < steps]


def merged_folders(stages: Mapping[str, Path], out: Path, *, steps: int) -> dict[str, Path]:
    """The paper's merge and those of the sweep, made where they are not there.

    Args:
        stages: folders of the three models.
        out: takes a folder per merge.
        steps: parts that shares are cut into.

    Raises:
        UsageError: the models cannot be merged; the message lists every fault.
    """
    folders = {}
    for weights in (PAPER_WEIGHTS, *simplex(steps)):
        name = "merged_" + "_".join(f"{weight:g}" for weight in weights)
        folders[name] = out / name
        if (folders[name] / "config.json").is_file():
            continue
        part = out / f".{name}.part"
        try:
            merge_checkpoints([stages[stage] for stage in STAGES], part, weights=weights)
        except WeightsError as error:
            raise UsageError(f"the models cannot be merged: {error}") from error
        part.rename(folders[name])
    return folders


def merge_design(runs: Mapping[str, RunSpec]) -> Design:
    """The design.

    Args:
        runs: by arm: the three stages, the paper's merge, and those of the sweep; the decoder before them and plain
            DPO, if they are there.
    """
    claims = tuple(
        Claim(
            says=f"The merge (5, 5, 1) / 11 answers better than {_TITLES[stage]} alone",
            measure=MOS.key,
            better=PAPER_MERGE,
            worse=stage,
            source=PAPER.partition(":")[0],
        )
        for stage in STAGES
    )
    order = [name for name in _TITLES if name in runs] + [name for name in runs if name not in _TITLES]
    merges = against_first([PAPER_MERGE, *(name for name in order if name != PAPER_MERGE)])
    steps = [Comparison(arm=arm, against=against) for arm, against in _STEPS if {arm, against} <= set(runs)]
    return Design(
        name="merge",
        title="Merging the stages",
        question="is the weighted mean of the three stages better than each, and are the paper's weights the best?",
        arms=tuple(Arm(name=name, title=_title(name), spec=runs[name]) for name in order),
        comparisons=with_claims([*merges, *steps], claims),
        measures=RUN_MEASURES,
        claims=claims,
        notes=("The paper gives its weights and no figures of other ones.",),
        has_radar=True,
    )


def _title(name: str) -> str:
    """The arm in words.

    >>> _title("sft1"), _title("merged_1_0_1")
    ('SFT 1', 'merge (1, 0, 1) / 2')
    """
    if name in _TITLES:
        return _TITLES[name]
    weights = [int(weight) for weight in name.removeprefix("merged_").split("_")]
    return f"merge ({', '.join(map(str, weights))}) / {sum(weights)}"
