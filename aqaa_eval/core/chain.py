"""The measuring chain: all that has to be equal before two runs can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.core.errors import NotComparable, UsageError
from aqaa_eval.core.runlog import RunLog

CHAIN_PARTS = ("asr", "normaliser", "judge", "channel", "perturb", "suites")
"""Transcriber, text normaliser, judges with their prompts, answer channel, changes to the questions, data by hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDifference:
    """One part of the chain that is not the same in all runs.

    Attributes:
        part: one of `CHAIN_PARTS`.
        values: what it is in each run, in the order of the runs.
    """

    part: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """In words: "asr: whisper:base against whisper:tiny"."""
        return f"{self.part}: {' against '.join(value or 'none' for value in self.values)}"


def chain_of(log: RunLog) -> Mapping[str, str]:
    """The parts of a run's chain by name; the suites' part is left to `chain_differences`."""
    return {
        "asr": log.manifest.asr,
        "normaliser": log.manifest.normaliser,
        "judge": log.manifest.judge,
        "channel": log.spec.channel,
        "perturb": " ".join(log.spec.perturb),
    }


def chain_differences(logs: Sequence[RunLog]) -> list[ChainDifference]:
    """What differs between the chains of runs; a suite counts only where more than one run has it."""
    chains = [chain_of(log) for log in logs]
    found = [
        ChainDifference(part=part, values=tuple(chain[part] for chain in chains))
        for part in chains[0]
        if len({chain[part] for chain in chains}) > 1
    ]
    for suite in dict.fromkeys(suite for log in logs for suite in log.manifest.suites):
        hashes = tuple(log.manifest.suites[suite] for log in logs if suite in log.manifest.suites)
        if len(set(hashes)) > 1:
            shown = tuple(f"{suite} {value[:8]}" for value in hashes)
            found.append(ChainDifference(part="suites", values=shown))
    return found


def refuse_other_chain(logs: Sequence[RunLog], *, allowed: Sequence[str] = ()) -> list[ChainDifference]:
    """The differences that were allowed.

    Args:
        logs: runs to be compared.
        allowed: parts that may differ, of `CHAIN_PARTS`.

    Raises:
        UsageError: an allowed part that is none.
        NotComparable: other parts differ; the message names each, with its values.
    """
    unknown = sorted(set(allowed) - set(CHAIN_PARTS))
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no part of the measuring chain; parts are {', '.join(CHAIN_PARTS)}")
    differences = chain_differences(logs)
    refused = [difference for difference in differences if difference.part not in allowed]
    if refused:
        told = "; ".join(map(str, refused))
        parts = ",".join(dict.fromkeys(difference.part for difference in refused))
        raise NotComparable(
            f"the runs were not measured alike: {told}. Score both with the same chain (`aqaa-eval score`), "
            f"or compare all the same with --allow-different {parts}"
        )
    return differences
