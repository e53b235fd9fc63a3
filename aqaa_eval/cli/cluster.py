"""`run --executor ray`: what the flags say, and the run on a cluster. The driver loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aqaa_eval import catalog
from aqaa_eval.catalog.remote import Named, RemoteWorkshop
from aqaa_eval.cli.console import RunProgress
from aqaa_eval.cli.execute import Place, manifest_of
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.protocols import Suite
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.executors.ray_data import ClusterSettings, RayExecutor, connected, identify
from aqaa_eval.engine.executors.resources import parse_resources
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.run import Outcome, RunRequest
from aqaa_eval.engine.run import run as drive
from aqaa_eval.engine.work import Tools

EXECUTORS = ("local", "ray")


def parse_cluster(executor: str, address: str | None, resources: Mapping[str, str | None]) -> ClusterSettings | None:
    """The settings of a cluster; None for this process.

    Args:
        executor: one of `EXECUTORS`.
        address: of the cluster.
        resources: what was given for each stage.

    Raises:
        UnknownName: no such executor.
        UsageError: settings of a cluster without one, or malformed.
    """
    if executor not in EXECUTORS:
        raise UnknownName("executor", executor, EXECUTORS)
    given = {stage: text for stage, text in resources.items() if text is not None}
    if executor == "local":
        if given or address:
            raise UsageError("--ray-address, --generate, --transcribe and --judging are for --executor ray")
        return None
    stages = {stage: parse_resources(text, stage=stage) for stage, text in given.items()}
    return ClusterSettings(address=address or "", stages=stages)


def execute_on_cluster(
    spec: RunSpec,
    suites: list[Suite],
    folder: RunFolder,
    settings: ClusterSettings,
    *,
    place: Place,
    quiet: bool,
) -> Outcome:
    """Run on a cluster.

    Args:
        spec: of the run.
        suites: of the run.
        folder: of the run.
        settings: of the cluster.
        place: which shard, and where the sound goes.
        quiet: no progress.

    Raises:
        UsageError: there is no such cluster, or something that only one process can keep.
    """
    if "cost_limit" in spec.judge_options:
        raise UsageError(
            "cost_limit is counted by one process and on a cluster there are several judges; limit it at the provider, "
            "or score later with `aqaa-eval score`"
        )
    stages = ("generate", "judge") if spec.asr == "none" else ("generate", "transcribe", "judge")
    workshop = RemoteWorkshop(
        spec=spec,
        cards=tuple(suite.card for suite in suites),
        audio_folder=folder.audio.absolute(),
        audio_store=place.audio_store,
    )
    with connected(settings):
        known = identify(workshop, settings, stages)
        workshop = replace(
            workshop,
            model=known["generate"].identity,
            asr=known["transcribe"].identity if "transcribe" in known else "none",
        )
        tools = _tools(workshop, known["judge"].identity)
        versions = {f"{name}, of the model": version for name, version in known["generate"].versions.items()}
        manifest = manifest_of(workshop.model, tools.transcriber, tools.judge, suites, versions)
        request = RunRequest(
            spec=spec,
            suites=suites,
            tools=tools,
            manifest=place.noted(manifest),
            folder=folder,
        )
        executor = RayExecutor(workshop, settings, known)
        with RunProgress(quiet=quiet, stages=stages) as progress:
            return drive(request, executor=executor, progress=progress)


def _tools(workshop: RemoteWorkshop, judge: str) -> Tools:
    """Names of the tools that the workers have."""
    ear: Any = Named(identity=workshop.asr) if workshop.asr != "none" else None
    named_judge: Any = Named(identity=judge)
    return Tools(
        model=None,
        model_identity=workshop.model,
        transcriber=ear,
        judge=named_judge,
        guard=catalog.find_guard(),
    )
