"""`aqaa-eval prefer`: which of two stored runs a judge prefers, conversation by conversation."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aqaa_eval.core.runlog import AttemptLog
    from aqaa_eval.judges.pairwise import Pair, PairReport
    from aqaa_eval.judges.sound import Sound


class ChannelName(StrEnum):
    """Which text is read."""

    audio = "audio"
    text = "text"


def prefer(
    first: Annotated[Path, typer.Argument(help="Run folder that is held against.")],
    second: Annotated[Path, typer.Argument(help="Run folder whose wins are counted.")],
    judge: Annotated[str, typer.Option(help="openai:MODEL, openai-audio:MODEL or hf:PATH.")],
    judge_url: Annotated[str | None, typer.Option(help="Server of the judge.")] = None,
    judge_set: Annotated[list[str] | None, typer.Option(help="Setting of the judge, name=value.")] = None,
    channel: Annotated[ChannelName, typer.Option(help="What is read: transcripts, or the models' own text.")] = (
        ChannelName.audio
    ),
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON on stdout.")] = False,
) -> None:
    """Ask a judge which of two runs answered better: both answers side by side, in both orders, ties allowed.

    What it said is kept in the second run's folder and not bought twice.

        aqaa-eval prefer runs/before runs/after --judge openai:gpt-4o
    """
    from aqaa_eval.catalog.names import LANGUAGE_MODELS
    from aqaa_eval.cli.config import parse_options
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.judges.llm_build import build_asker
    from aqaa_eval.judges.pairwise import find_pairs, summarise_pairs
    from aqaa_eval.judges.pairwise import prefer as ask_for

    if judge.partition(":")[0] not in LANGUAGE_MODELS or "," in judge:
        raise UsageError(f"--judge {judge}: pairs need one of {', '.join(LANGUAGE_MODELS)}, such as openai:MODEL")
    pairs = find_pairs(load_run(first), load_run(second))
    if not pairs:
        raise UsageError("the two runs have no conversation in common")
    options = parse_options(judge_set, base_url=judge_url) or {}
    one = build_asker(judge, options, verdicts=second / "verdicts.sqlite")
    if one.asker.hears:
        pairs = [_heard(pair, first, second) for pair in pairs]

    async def ask() -> PairReport:
        try:
            return summarise_pairs(await ask_for(pairs, one.asker, channel=channel.value), seed=seed)
        finally:
            await one.close()

    import asyncio  # slow to load, and only this verb needs it

    found = asyncio.run(ask())
    print(one.purse.usage.describe(), file=sys.stderr)
    if json_:
        print(json.dumps({"judge": one.asker.identity, **asdict(found)}, indent=1, ensure_ascii=False))
    else:
        _print(found, second.name)


def _heard(pair: Pair, first: Path, second: Path) -> Pair:
    """The pair with both runs' sound, for both orders."""
    sides = ((pair.first, first), (pair.second, second))
    return replace(pair, sounds=(_sounds(sides), _sounds(sides[::-1])))


def _sounds(sides: Sequence[tuple[AttemptLog, Path]]) -> tuple[Sound, ...]:
    from aqaa_eval.engine.audio_store import AudioStore
    from aqaa_eval.judges.sound import make_sound

    return tuple(
        make_sound(f"Sound of {name}'s answer in turn {number}:", AudioStore(folder / "audio").get(turn.audio))
        for name, (attempt, folder) in zip(("X", "Y"), sides, strict=True)
        for number, turn in enumerate(attempt.turns, 1)
        if turn.audio
    )


def _print(found: PairReport, name: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"wins of {name}, ties counting half")
    for column in ("suite", "share", "95 % interval", "n", "lost"):
        table.add_column(column)
    for suite, wins in found.wins.items():
        interval = "–" if wins.low is None or wins.high is None else f"{wins.low:.2f} to {wins.high:.2f}"
        share = "–" if wins.value is None else f"{wins.value:.2f}"
        table.add_row(suite, share, interval, str(wins.n), str(wins.failed))
    console.print(table)
    lean = found.place
    if lean.value is not None:
        interval = "" if lean.low is None else f" ({lean.low:+.2f} to {lean.high:+.2f})"
        console.print(
            f"{found.n_ties} ties; lean to what stands first {lean.value:+.2f}{interval} of at most 0.50; "
            f"{found.contradicted} pairs changed sides with the order"
        )
    for line in found.lost[:5]:
        console.print(f"lost: {line}")
