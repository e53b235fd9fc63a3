"""`aqaa-eval score`: judge a stored run again, without its model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def score(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    asr: Annotated[str | None, typer.Option(help="Another transcriber. (default: the run's)")] = None,
    judge: Annotated[str | None, typer.Option(help="Another judge. (default: the run's)")] = None,
    speech_mos: Annotated[str | None, typer.Option(help="Other MOS predictors, or none. (default: the run's)")] = None,
    channel: Annotated[str | None, typer.Option(help="audio or text. (default: the run's)")] = None,
    second_asr: Annotated[str | None, typer.Option(help="A second ear, or none. (default: the run's)")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the judge.")] = None,
    asr_url: Annotated[str | None, typer.Option(help="Server of the transcriber.")] = None,
    judge_set: Annotated[list[str] | None, typer.Option(help="Setting of the judge, name=value.")] = None,
    asr_set: Annotated[list[str] | None, typer.Option(help="Setting of the transcriber, name=value.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Score the stored answers of a run again; the model is not needed and not asked.

    Transcripts are kept when only the judge changes.

        aqaa-eval score runs/cascade-1a2b3c4d --judge checks --channel text
    """
    from aqaa_eval import catalog
    from aqaa_eval.cli.config import names_of, parse_options
    from aqaa_eval.cli.execute import Place, conclude, execute, share_cores
    from aqaa_eval.core.runspec import parse_run_spec
    from aqaa_eval.engine.folder import RunFolder

    share_cores()
    folder = RunFolder(run)
    stored, manifest, _, _ = folder.read_head()
    changes: dict[str, Any] = {
        "asr": asr,
        "judge": judge,
        "speech_mos": names_of(speech_mos) if speech_mos is not None else None,
        "channel": channel,
        "second_asr": second_asr,
        # Settings belong to the part that they were given for: another part starts without them.
        "judge_options": parse_options(judge_set, base_url=base_url) or ({} if judge else None),
        "asr_options": parse_options(asr_set, base_url=asr_url) or ({} if asr else None),
    }
    values = {**stored.model_dump(), **{name: value for name, value in changes.items() if value is not None}}
    spec = parse_run_spec(values, name="command line")
    suites = catalog.suites_of(spec)
    place = Place(shard=manifest.shard, audio_store=manifest.audio_store)
    outcome = execute(spec, suites, folder, model=None, stored_model=manifest.model, place=place, quiet=quiet)
    raise typer.Exit(int(conclude(folder, outcome, as_json=json_)))
