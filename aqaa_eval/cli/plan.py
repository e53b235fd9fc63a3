"""`aqaa-eval plan`: what a run will take, measured on a few of its conversations."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aqaa_eval.core.protocols import Suite
    from aqaa_eval.core.runspec import RunSpec
    from aqaa_eval.engine.forecast import Forecast, Range
    from aqaa_eval.engine.pilot import Pilot
    from aqaa_eval.engine.work import Tools


def plan(
    model: Annotated[str | None, typer.Option(help="Model under test, as in `run`.")] = None,
    suite: Annotated[list[str] | None, typer.Option(help="Suites, as in `run`.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Conversations like these. (default: as many as the suites have)")
    ] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to share among the stages that need one.")] = 1,
    on_gpu: Annotated[str, typer.Option(help="Those stages, of generate, transcribe, judge.")] = "generate,transcribe",
    pilot: Annotated[int, typer.Option(min=4, help="Conversations to measure, four batches at the least.")] = 12,
    asr: Annotated[str | None, typer.Option(help="Transcriber, as in `run`.")] = None,
    judge: Annotated[str | None, typer.Option(help="Judges, as in `run`.")] = None,
    speech_mos: Annotated[str | None, typer.Option(help="MOS predictors, as in `run`.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the model.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Server of the judge.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Setting of the model, name=value.")] = None,
    judge_set: Annotated[list[str] | None, typer.Option(help="Setting of the judge, name=value.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of a run; flags win.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the plan as JSON on stdout.")] = False,
) -> None:
    """Predict time, GPU hours, judge tokens and storage of a run, with 95 % intervals.

    A few conversations, drawn at random, are put to the model on this machine, one after the other. The machine should
    be like those of the cluster, and do nothing else.

        aqaa-eval plan --model cascade --suite mini --samples 1000000 --gpus 100
    """
    from aqaa_eval import catalog
    from aqaa_eval.cli.config import make_spec, names_of, parse_options
    from aqaa_eval.cli.execute import share_cores
    from aqaa_eval.cli.run import with_machine_defaults
    from aqaa_eval.core.errors import UsageError

    flags: dict[str, Any] = {
        "model": model,
        "suites": [name for part in suite for name in names_of(part)] if suite else None,
        "asr": asr,
        "judge": judge,
        "speech_mos": names_of(speech_mos) if speech_mos is not None else None,
        "model_options": parse_options(set_, base_url=base_url),
        "judge_options": parse_options(judge_set, base_url=judge_url),
    }
    given = {name for name, value in flags.items() if value is not None}
    spec = with_machine_defaults(make_spec(flags, config), given=given)
    share_cores()
    measured = _measure(spec, catalog.suites_of(spec), pilot)
    try:
        told = _forecast(measured, samples, gpus, names_of(on_gpu))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if json_:
        print(json.dumps({**asdict(told), "command": _command(spec, told, names_of(on_gpu))}, indent=1))
        return
    _show(spec, measured, told, names_of(on_gpu))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    """The pilot, and what stands around it.

    Attributes:
        n_jobs: attempts of the suites' whole plan.
        n_conversations: of them.
        load_s: until the slowest tool is ready.
    """

    pilot: Pilot
    n_jobs: int
    n_conversations: int
    load_s: float


def _measure(spec: RunSpec, suites: list[Suite], n: int) -> _Measurement:
    from aqaa_eval import catalog
    from aqaa_eval.cli.execute import close_judge, make_tools
    from aqaa_eval.core.errors import DataError
    from aqaa_eval.engine.pilot import batch_of, draw, measure
    from aqaa_eval.engine.plan import make_plan

    jobs = make_plan(spec, suites)
    if not jobs:
        raise DataError("the suites hold no conversation that can be asked")
    began_s = time.perf_counter()
    tools = make_tools(spec, suites, model=catalog.make_model(spec), verdicts=None)
    load_s = time.perf_counter() - began_s
    try:
        with tempfile.TemporaryDirectory() as folder:
            drawn = draw(jobs, n=max(n, 4 * batch_of(tools)), seed=spec.seed)
            pilot = measure(spec, tools, drawn, Path(folder), tokens=_token_counter(tools))
    finally:
        close_judge(tools.judge, quiet=True)
    return _Measurement(
        pilot=pilot,
        n_jobs=len(jobs),
        n_conversations=sum(job.repeat == 0 for job in jobs),
        load_s=load_s + pilot.warm_up_s,
    )


def _token_counter(tools: Tools) -> Callable[[], Any]:
    from aqaa_eval.engine.pilot import Tokens

    def count() -> Tokens:
        usages = getattr(tools.judge, "usages", ())
        return Tokens(n_prompt=sum(u.n_prompt_tokens for u in usages), n_reply=sum(u.n_reply_tokens for u in usages))

    return count


def _forecast(measured: _Measurement, samples: int | None, gpus: int, on_gpu: list[str]) -> Forecast:
    from aqaa_eval.engine.forecast import forecast

    return forecast(
        measured.pilot.sample,
        n=samples or measured.n_jobs,
        n_gpus=gpus,
        on_gpu=on_gpu if gpus else (),
        load_s=measured.load_s,
        n_new_questions=samples or measured.n_conversations,
    )


def _command(spec: RunSpec, told: Forecast, on_gpu: list[str]) -> str:
    """The run on a cluster, with the pools of the plan."""
    parts = ["aqaa-eval", "run", "--model", spec.model, "--suite", ",".join(spec.suites), "--asr", spec.asr]
    parts += ["--judge", spec.judge, "--speech-mos", ",".join(spec.speech_mos) or "none"]
    for flag, options in (("--set", spec.model_options), ("--judge-set", spec.judge_options)):
        parts += [part for name, value in options.items() for part in (flag, f"{name}={value}")]
    parts += ["--executor", "ray", "--ray-address", "auto"]
    flags = {"generate": "--generate", "transcribe": "--transcribe", "judge": "--judging"}
    for stage, n in told.workers.items():
        gpu = "gpus=1," if stage in on_gpu and told.n_gpus else ""
        parts += [flags[stage], f"{gpu}workers={n}"]
    return shlex.join(parts)


def _show(spec: RunSpec, measured: _Measurement, told: Forecast, on_gpu: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    pilot = measured.pilot
    table = Table(box=None, pad_edge=False)
    for column in ("", "predicted", "95 % interval", "unit", "workers"):
        table.add_column(column, justify="left" if column in ("", "unit") else "right")
    rows: list[tuple[str, Range, str, str]] = [
        ("whole run", told.wall_s.scaled(1 / 3600), "hours", ""),
        *(
            (f"{stage}, all workers", busy.scaled(1 / 3600), "hours", str(told.workers[stage]))
            for stage, busy in told.busy_s.items()
        ),
        (f"{told.n_gpus} GPUs", told.gpu_s.scaled(1 / 3600), "GPU hours", ""),
        ("judges read", told.n_prompt_tokens.scaled(1e-6), "million tokens", ""),
        ("judges write", told.n_reply_tokens.scaled(1e-6), "million tokens", ""),
        ("storage", told.n_bytes.scaled(1e-9), "GB", ""),
    ]
    for name, found, unit, workers in rows:
        if found.value > 0:
            table.add_row(name, _plain(found.value), f"{_plain(found.low)} to {_plain(found.high)}", unit, workers)
    console = Console(width=None, soft_wrap=True)
    console.print(
        f"{spec.model}: {told.n:,} conversations, from {pilot.n_conversations} measured here; "
        f"loading takes {measured.load_s:.1f} s",
        highlight=False,
    )
    console.print(table)
    if pilot.failures:
        console.print(f"{len(pilot.failures)} failures among those measured: {', '.join(sorted(set(pilot.failures)))}")
    console.print(
        "The interval says how far a sample of this size may be off, and nothing of other machines or busy servers.",
        highlight=False,
    )
    console.print(_command(spec, told, on_gpu), highlight=False)


def _plain(value: float) -> str:
    """Three digits that count.

    >>> _plain(1234.5), _plain(12.345), _plain(0.0012345)
    ('1,234', '12.3', '0.00123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
