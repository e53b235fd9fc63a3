"""`aqaa-eval list`: what there is, and whether it can run on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from aqaa_eval.core.errors import UnknownName

if TYPE_CHECKING:
    from aqaa_eval.catalog import Entry

Row = dict[str, str]


def list_names(
    kind: Annotated[
        str, typer.Argument(help="suites, formats, models, judges, transcribers, predictors or weights.")
    ] = "suites",
    json_: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """List suites, formats, models, judges, transcribers, predictors or weights, with what each needs here."""
    from aqaa_eval import catalog

    tables = {
        "models": catalog.MODELS,
        "formats": catalog.SUITE_FORMATS,
        "judges": catalog.JUDGES,
        "transcribers": catalog.TRANSCRIBERS,
        "predictors": catalog.PREDICTORS,
    }
    foot = ""
    if kind in tables:
        rows = _entries(tables[kind])
        foot = f"commands on real weights and hardware: {_pages()}/NAME.md" if kind == "models" else ""
    elif kind == "suites":
        rows = _suites()
    elif kind == "weights":
        rows = _weights()
    else:
        raise UnknownName("list", kind, [*tables, "suites", "weights"])
    if json_:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    _print(rows, foot)


def _pages() -> str:
    """The folder with a page for each model."""
    from importlib.resources import files

    return str(files("aqaa_eval.adapters") / "docs")


def _entries(table: Mapping[str, Entry]) -> list[Row]:
    from aqaa_eval.catalog import missing_of

    rows = []
    for name, entry in table.items():
        lacking = missing_of(entry)
        state = "ready" if not lacking else "needs " + "; ".join(lacking)
        rows.append({"name": name, "about": entry.about, "usage": entry.usage, "here": state})
    return rows


def _suites() -> list[Row]:
    from aqaa_eval.catalog import make_suites

    rows = []
    for suite in make_suites(["mini"]):
        samples = list(suite.samples())
        turns = [turn for sample in samples for turn in sample.turns]
        rows.append(
            {
                "name": suite.card.id,
                "conversations": str(len(samples)),
                "turns": str(len(turns)),
                "minutes": f"{sum(turn.audio.duration_s or 0 for turn in turns if turn.audio) / 60:.1f}",
                "hours": f"{sum(turn.audio.duration_s or 0 for turn in turns if turn.audio) / 3600:.2f}",
                "languages": " ".join(suite.card.languages),
                "licence": suite.card.licence,
                "version": suite.card.version,
            }
        )
    return rows


def _weights() -> list[Row]:
    from aqaa_eval.core.weights import WEIGHTS, is_present

    return [
        {
            "name": name,
            "here": "yes" if is_present(name) else "no",
            "licence": weight.licence,
            "about": weight.description,
        }
        for name, weight in WEIGHTS.items()
    ]


def _print(rows: list[Row], foot: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    console = Console()
    console.width = max(console.width, 100)
    console.print(table, markup=False)
    if foot:
        console.print(foot, markup=False, soft_wrap=True)
