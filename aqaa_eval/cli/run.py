"""`aqaa-eval run`: ask, listen, score, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import RunSpec
    from aqaa_eval.core.shard import Shard
    from aqaa_eval.engine.executors.ray_data import ClusterSettings


def run(
    model: Annotated[str | None, typer.Option(help="Model under test, such as cascade or fake:echo.")] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help="Suite, set, folder, FILE.jsonl, FILE.csv, hf:ORG/NAME, voicebench:SUBSET, stepeval-audio-360; "
            "repeat it or separate by commas."
        ),
    ] = None,
    suite_set: Annotated[
        list[str] | None,
        typer.Option(help="Setting of the suites' source, name=value: revision, split, root, columns=FILE, audio=..."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop if one conversation cannot be asked; look at all recordings first.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Conversations per suite at the most.")] = None,
    repeats: Annotated[int | None, typer.Option(help="How often each conversation is put to the model.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed that all others come from.")] = None,
    asr: Annotated[
        str | None,
        typer.Option(
            help="whisper:base, faster-whisper:tiny.en, hf-whisper:base, http:MODEL, or none. "
            "(default: whisper:base if it is here)"
        ),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Who scores. (default: checks)")] = None,
    speech_mos: Annotated[
        str | None,
        typer.Option(help="distillmos, dnsmos, plcmos, acoustic, versa:FILE, several by comma, or none."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Text that checks read: audio (the transcript) or text (the model's own).")
    ] = None,
    perturb: Annotated[
        list[str] | None, typer.Option(help="Change the questions' sound, such as noise:10dB; repeat it for more.")
    ] = None,
    second_asr: Annotated[str | None, typer.Option(help="A second ear that marks doubtful words.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter of another environment to run the model in.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the model, for openai:MODEL and the like.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Server of the judge.")] = None,
    asr_url: Annotated[str | None, typer.Option(help="Server of the transcriber.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model, name=value.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let a model run code that lies in its checkpoint.")
    ] = False,
    judge_set: Annotated[list[str] | None, typer.Option(help="Setting of the judge, name=value.")] = None,
    asr_set: Annotated[list[str] | None, typer.Option(help="Setting of the transcriber, name=value.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with the same fields; flags win.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. (default: runs/MODEL-HASH OF THE SPEC)")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only one of n equal parts, such as 2/8; `aqaa-eval merge-runs` joins them.")
    ] = None,
    audio_store: Annotated[
        str, typer.Option(help="Where the sound goes: s3://BUCKET/RUN or the like. (default: the run folder)")
    ] = "",
    executor: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Cluster of --executor ray, such as auto or HOST:6379. (default: one here)")
    ] = None,
    generate: Annotated[
        str | None, typer.Option(help="Ray workers that hold the model, such as gpus=1,workers=2-8,batch=16.")
    ] = None,
    transcribe: Annotated[str | None, typer.Option(help="Ray workers that transcribe.")] = None,
    judging: Annotated[str | None, typer.Option(help="Ray workers that judge, such as workers=4.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and leave.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Put the suites to a model, score its spoken answers and write report.html.

    The same command again goes on where it stopped: nothing finished is asked twice.

        aqaa-eval run --model cascade --suite gaming --limit 2

        aqaa-eval run --model fake:echo --asr none --speech-mos none
    """
    from aqaa_eval import catalog
    from aqaa_eval.cli.config import default_folder, make_spec, names_of, parse_options
    from aqaa_eval.cli.notrun import tell_not_run
    from aqaa_eval.core.shard import parse_shard

    resources = {"generate": generate, "transcribe": transcribe, "judge": judging}
    cluster = _cluster_of(executor, ray_address, resources)
    flags: dict[str, Any] = {
        "model": model,
        "suites": [name for part in suite for name in names_of(part)] if suite else None,
        "suite_options": parse_options(suite_set),
        "limit": limit,
        "repeats": repeats,
        "seed": seed,
        "asr": asr,
        "judge": judge,
        "speech_mos": names_of(speech_mos) if speech_mos is not None else None,
        "channel": channel,
        "perturb": perturb,
        "second_asr": second_asr,
        "python": python,
        "model_options": parse_options(set_, base_url=base_url, trusts_code=trust_remote_code),
        "judge_options": parse_options(judge_set, base_url=judge_url),
        "asr_options": parse_options(asr_set, base_url=asr_url),
    }
    spec = with_machine_defaults(
        make_spec(flags, config), given={name for name, value in flags.items() if value is not None}
    )
    suites = catalog.suites_of(spec, strict=strict)
    tell_not_run(spec, suites, strict=strict)
    part = parse_shard(shard) if shard is not None else None
    if dry_run:
        _show_plan(spec, suites, out or default_folder(spec, part), shard=part, as_json=json_)
        return
    from aqaa_eval.cli.execute import Place, conclude, execute, share_cores
    from aqaa_eval.engine.folder import RunFolder

    share_cores()
    folder = RunFolder(out or default_folder(spec, part))
    folder.create()
    folder.refuse_other_spec(spec)
    folder.refuse_other_shard(part)
    place = Place(shard=part, audio_store=audio_store)
    if cluster is not None:
        from aqaa_eval.cli.cluster import execute_on_cluster

        outcome = execute_on_cluster(spec, suites, folder, cluster, place=place, quiet=quiet)
        raise typer.Exit(int(conclude(folder, outcome, as_json=json_)))
    chosen = catalog.make_model(spec, log=folder.path / "model.log")
    outcome = execute(spec, suites, folder, model=chosen, stored_model="", place=place, quiet=quiet)
    code = conclude(folder, outcome, as_json=json_)
    raise typer.Exit(int(code))


def _cluster_of(executor: str, address: str | None, resources: dict[str, str | None]) -> ClusterSettings | None:
    """The cluster that was asked for; None for this process, which does not load what a cluster needs."""
    if executor == "local" and not address and not any(resources.values()):
        return None
    from aqaa_eval.cli.cluster import parse_cluster

    return parse_cluster(executor, address, resources)


def with_machine_defaults(spec: RunSpec, *, given: set[str]) -> RunSpec:
    """Defaults that depend on the machine; what was left out for want of weights is said."""
    from aqaa_eval import catalog

    changes: dict[str, Any] = {}
    if "asr" not in given and "asr" not in spec.model_fields_set:
        changes["asr"] = catalog.default_asr()
        if changes["asr"] == "none":
            print(
                "warning: no ASR weights here, so answers are stored and not scored: "
                "`aqaa-eval fetch whisper:base`, then the same command",
                file=sys.stderr,
            )
    if "speech_mos" not in given and "speech_mos" not in spec.model_fields_set:
        changes["speech_mos"] = catalog.default_speech_mos()
    return spec.model_copy(update=changes)


def _show_plan(spec: RunSpec, suites: list[Any], folder: Path, *, shard: Shard | None, as_json: bool) -> None:
    from aqaa_eval.engine.plan import make_plan

    jobs = make_plan(spec, suites, shard)
    turns = [turn for job in jobs for turn in job.sample.turns]
    plan = {
        "model": spec.model,
        "asr": spec.asr,
        "judge": spec.judge,
        "speech_mos": list(spec.speech_mos),
        **({"shard": str(shard)} if shard else {}),
        "folder": str(folder),
        "conversations": {suite.card.id: sum(job.sample.suite == suite.card.id for job in jobs) for suite in suites},
        "n_conversations": len(jobs),
        "n_turns": len(turns),
        "question_audio_s": round(sum(turn.audio.duration_s or 0.0 for turn in turns if turn.audio), 1),
    }
    if as_json:
        print(json.dumps(plan, indent=1))
        return
    for name, value in plan.items():
        print(f"{name:18} {value}")
