"""`make judge-agreement`: how well a small judge on this machine tells good, partly right and wrong answers apart.

usage: python -m tests.bench.judge_agreement [--minutes M] [--source NAME] [--out FOLDER]

It prints Markdown tables. What the judge said lies in FOLDER and is not asked again, so a measurement that was cut
short goes on with the same command; `--minutes 0` asks nothing and prints what there is. Arms that are not complete are
shown on the questions that they have, and named.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.agreement import Rated, estimate, pairwise_accuracy, quadratic_kappa, spearman
from aqaa_eval.metrics.uncertainty import mean_estimate
from tests.bench.agreement_arms import ARMS, Arm, Measurement, Said, ask_all, in_order
from tests.bench.agreement_items import Item, load_items

SOURCE = "qwen2.5-coder:1.5b-instruct"
_WORD = re.compile(r"[\w']+|[\u3040-\u9fff]")
Values = Mapping[int, float]
"""A judge's value by the item's place."""


def words(text: str) -> set[str]:
    """Words in lower case; of Chinese and Japanese the characters.

    >>> sorted(words("Six apples, six."))
    ['apples', 'six']
    """
    found = set()
    for token in _WORD.findall(text.lower()):
        found |= set(token) if ord(token[0]) >= 0x2E80 else {token}
    return found


def overlap(item: Item) -> float:
    """The baseline without a model: share of the reference's words that the answer has, as a level from 1 to 5."""
    wanted = words(item.turn.reference or "")
    return 1.0 + 4.0 * len(wanted & words(item.answer)) / len(wanted)


def whole_questions(items: Sequence[Item], values: Values) -> dict[int, float]:
    """The values of questions of which all three answers have one."""
    lost = {item.question for place, item in enumerate(items) if place not in values}
    return {place: value for place, value in values.items() if items[place].question not in lost}


def within_questions(rated: Sequence[Rated]) -> Estimate:
    """Share of the three pairs of a question that are in the right order; a tie counts half."""
    import numpy as np

    by_question: dict[str, list[Rated]] = {}
    for item in rated:
        by_question.setdefault(item.cluster, []).append(item)
    shares = {}
    for name, group in by_question.items():
        share = pairwise_accuracy(np.array([r.judge for r in group]), np.array([r.people for r in group]))
        shares[name] = [share] if share is not None else []
    return mean_estimate(shares)


def row(name: str, items: Sequence[Item], values: Values, *, keep: Callable[[Item], bool]) -> str:
    """One line of a table."""
    kept = [(items[place], value) for place, value in values.items() if keep(items[place])]
    rated = [Rated(cluster=item.question, judge=value, people=item.worth) for item, value in kept]
    cells = [estimate(rated, spearman), within_questions(rated), estimate(rated, quadratic_kappa)]
    return f"| {name} | {len(rated)} | " + " | ".join(shown(cell) for cell in cells) + " |"


def shown(found: Estimate) -> str:
    """A value with its interval."""
    if found.value is None:
        return "not defined"
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def table(items: Sequence[Item], columns: Mapping[str, Values], *, keep: Callable[[Item], bool]) -> None:
    """Print one table."""
    print("| judge | n | Spearman | right order within a question | quadratic kappa |")
    print("|---|---|---|---|---|")
    for name, values in columns.items():
        if any(keep(items[place]) for place in values):
            print(row(name, items, values, keep=keep))
    print()


def judged(items: Sequence[Item], said: Mapping[Arm, Said]) -> dict[str, Values]:
    """All values to be shown, by name: each arm's weighted levels, and for some the likeliest level alone."""
    columns: dict[str, Values] = {"word overlap, no model": {n: overlap(item) for n, item in enumerate(items)}}
    for arm in ARMS:
        found = said.get(arm, {})
        weighted = {n: verdict.expected[items[n].scale] for n, verdict in found.items()}
        single = {n: float(verdict.levels[items[n].scale]) for n, verdict in found.items()}
        columns[f"{arm.name}, weighted by probability"] = whole_questions(items, weighted)
        if arm in (ARMS[0], ARMS[-1]):
            columns[f"{arm.name}, likeliest level"] = whole_questions(items, single)
    return columns


def on_all(columns: Mapping[str, Values]) -> set[int]:
    """Places that have a value in every column with values: arms that were cut short are compared on these."""
    return set.intersection(*(set(values) for values in columns.values() if values))


def restricted(columns: Mapping[str, Values], places: set[int]) -> dict[str, Values]:
    """The columns on some items only."""
    return {name: {n: values[n] for n in values if n in places} for name, values in columns.items()}


def main() -> None:
    """Ask what is missing, and print."""
    parser = argparse.ArgumentParser(description="Agreement of a local judge with answers of known worth.")
    parser.add_argument("--minutes", type=float, default=600.0, help="after which nothing more is asked")
    parser.add_argument("--source", default=SOURCE, help="what stands after hf:")
    parser.add_argument("--dtype", default="int8", help="int8, float32 or bfloat16")
    parser.add_argument("--out", type=Path, default=Path("runs/judge-agreement"))
    given = parser.parse_args()
    items = load_items()
    how = Measurement(source=given.source, out=given.out, minutes=given.minutes, dtype=given.dtype)
    said = ask_all(items, in_order(len(items)), how=how)
    columns = judged(items, said)
    print(f"hf:{given.source} in {given.dtype}, {len(items)} answers to {len({i.question for i in items})} questions\n")
    print("What is said counts (the content scale):\n")
    table(items, columns, keep=lambda item: item.scale == "content")
    print("The voice counts (the delivery scale; the words are the same in all three answers):\n")
    table(items, columns, keep=lambda item: item.scale == "delivery")
    shared = on_all(columns)
    if len(shared) < len(items):
        print(f"What is said counts, on those of the {len(shared)} answers that all of these have:\n")
        table(items, restricted(columns, shared), keep=lambda item: item.scale == "content")
    for arm in ARMS:
        n_missing = len(items) - len(said.get(arm, {}))
        if n_missing:
            print(f"Not complete: {arm.name}, {n_missing} of {len(items)} answers are not graded.")


if __name__ == "__main__":
    main()
