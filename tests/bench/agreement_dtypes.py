"""Whether a local judge says the same in 8 bit as in float32: levels and their expectations on the same answers.

usage: python -m tests.bench.agreement_dtypes [--items N] [--out FOLDER]

What was said lies in FOLDER, that of `judge_agreement`, and is not asked again. float32 takes 7 GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aqaa_eval.judges.verdict import Verdict
from aqaa_eval.metrics.agreement import spearman
from tests.bench.agreement_arms import ARMS, Measurement, ask_all
from tests.bench.agreement_items import Item, load_items
from tests.bench.judge_agreement import SOURCE


def compare(items: list[Item], one: Mapping[int, Verdict], other: Mapping[int, Verdict]) -> str:
    """In a line: levels that agree, and how far apart the weighted ones are."""
    places = sorted(set(one) & set(other))
    scales = [items[place].scale for place in places]
    same = sum(one[n].levels[s] == other[n].levels[s] for n, s in zip(places, scales, strict=True))
    left, right = (np.array([v[n].expected[s] for n, s in zip(places, scales, strict=True)]) for v in (one, other))
    apart, rank = np.abs(left - right), spearman(left, right)
    return (
        f"the likeliest level agrees on {same} of {len(places)} answers; weighted levels are {apart.mean():.3f} apart "
        f"on average and {apart.max():.3f} at the most, Spearman {'not defined' if rank is None else f'{rank:.3f}'}"
    )


def main() -> None:
    """Ask the first arm in both types."""
    parser = argparse.ArgumentParser(description="8 bit against float32.")
    parser.add_argument("--items", type=int, default=27, help="answers; 27 are one question of every suite")
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--source", default=SOURCE)
    parser.add_argument("--out", type=Path, default=Path("runs/judge-agreement"))
    given = parser.parse_args()
    items, arm = load_items(), ARMS[0]
    said = {}
    for dtype in ("float32", "int8"):
        how = Measurement(source=given.source, out=given.out, minutes=given.minutes, dtype=dtype)
        said[dtype] = ask_all(items, [(arm, range(given.items))], how=how)[arm]
    print(f"hf:{given.source}, {arm.name}: {compare(items, said['int8'], said['float32'])}")


if __name__ == "__main__":
    main()
