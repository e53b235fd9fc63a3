"""`aqaa-eval ablate`: arms over the same conversations, with effects, verdicts and the published figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aqaa_eval.core.errors import ExitCode

if TYPE_CHECKING:
    from aqaa_eval.cli.ablation_kinds import Asked
    from aqaa_eval.reports.ablation import Findings


def ablate(
    what: Annotated[
        str, typer.Argument(help="interleave, codebooks, preference, splicing, merge, or a YAML file of your own.")
    ],
    model: Annotated[str | None, typer.Option(help="Model under test, such as reference.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Folder with the models of the training stages: sft1, sft2, dpo, dpo_plain, ..."),
    ] = None,
    layouts: Annotated[
        str, typer.Option(help="Of interleave: audio_only, text_to_audio, interleave_10_15, 6:50, any N:M.")
    ] = "",
    suite: Annotated[list[str] | None, typer.Option(help="Suites, as of `run`; repeat it or use commas.")] = None,
    limit: Annotated[int | None, typer.Option(help="Conversations per suite at the most. (default: 2)")] = None,
    items: Annotated[int, typer.Option(min=2, help="Held-out items, where weights are measured directly.")] = 24,
    grid: Annotated[
        int, typer.Option(min=1, max=6, help="Of merge: parts that the shares of the three models are cut into.")
    ] = 2,
    repeats: Annotated[int | None, typer.Option(help="How often each conversation is put to every arm.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed that all others come from, and of the resampling.")] = None,
    asr: Annotated[str | None, typer.Option(help="Transcriber, as of `run`.")] = None,
    judge: Annotated[str | None, typer.Option(help="Judge, as of `run`; Chat needs a language model.")] = None,
    speech_mos: Annotated[str | None, typer.Option(help="MOS predictors, as of `run`.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Server of the judge.")] = None,
    judge_set: Annotated[list[str] | None, typer.Option(help="Setting of the judge, name=value.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model, name=value.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with run-spec fields for all arms; flags win.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. (default: runs/ablate-NAME)")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the findings as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Compare arms on the same conversations: effects with intervals, exact tests, a verdict per claim, ablation.html.

    The same command again goes on where it stopped: nothing finished is done twice.

        aqaa-eval ablate interleave --model reference --limit 1

        aqaa-eval ablate two_ears.yaml --model cascade
    """
    from aqaa_eval.cli.ablation_kinds import Asked
    from aqaa_eval.cli.config import names_of, parse_options
    from aqaa_eval.cli.execute import share_cores

    flags: dict[str, Any] = {
        "model": model,
        "suites": [name for part in suite for name in names_of(part)] if suite else None,
        "limit": limit,
        "repeats": repeats,
        "seed": seed,
        "asr": asr,
        "judge": judge,
        "speech_mos": names_of(speech_mos) if speech_mos is not None else None,
        "judge_options": parse_options(judge_set, base_url=judge_url),
        "model_options": parse_options(set_),
    }
    share_cores()
    place = out or Path("runs") / f"ablate-{Path(what).stem}"
    asked = Asked(
        what=what,
        flags=flags,
        config=config,
        layouts=tuple(names_of(layouts)),
        weights=weights,
        n_items=items,
        grid=grid,
        out=place,
        quiet=quiet,
    )
    raise typer.Exit(int(_conclude(_found(asked), place, as_json=json_)))


def _found(asked: Asked) -> Findings:
    from aqaa_eval.ablations.findings import find
    from aqaa_eval.cli.ablation_kinds import measure

    design, measured, base = measure(asked)
    return find(design, measured, seed=base.seed)


def _conclude(findings: Findings, place: Path, *, as_json: bool) -> ExitCode:
    """Write the page and the JSON, print the tables, and say how complete it is."""
    from aqaa_eval.reports.ablation import findings_json
    from aqaa_eval.reports.ablation_page import write_findings
    from aqaa_eval.reports.page import write_page

    values = json.dumps(findings_json(findings), indent=1, ensure_ascii=False)
    write_page([values, "\n"], place / "ablation.json")
    page = write_findings(findings, place / "ablation.html")
    if as_json:
        print(values)
    else:
        from rich.console import Console

        from aqaa_eval.reports.ablation_table import print_findings

        print_findings(findings, Console(width=None if sys.stdout.isatty() else 160))
    print(f"page: {page}", file=sys.stderr)
    if not findings.is_complete:
        print("incomplete: the same command goes on where it stopped", file=sys.stderr)
        return ExitCode.INCOMPLETE
    return ExitCode.PASSED
