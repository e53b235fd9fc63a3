"""What `run` and `score` share: build the parts, drive the engine, write the report, print the table."""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from aqaa_eval import catalog
from aqaa_eval.cli.console import RunProgress
from aqaa_eval.core.errors import ExitCode
from aqaa_eval.core.protocols import Judge, SpeechModel, Suite, Transcriber
from aqaa_eval.core.runlog import Manifest, RunLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.shard import Shard
from aqaa_eval.engine.executors.local import LocalExecutor
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.run import Outcome, RunRequest
from aqaa_eval.engine.run import run as drive
from aqaa_eval.engine.work import REDONE, Tools, Work

_VERSIONED = ("aqaa-eval", "numpy", "soundfile", "soxr", "torch", "transformers", "openai-whisper", "onnxruntime")


def share_cores() -> None:
    """Give each stage its own cores; call it before torch is loaded.

    The stages overlap. Left alone, each would start a thread per core, and threads that wait for each other while
    others run cost more than they bring: measured on two cores, a language model was four times as slow.
    """
    n_threads = str(max(1, (os.cpu_count() or 1) // 2))
    # numba, which aligns Whisper's words, would set OpenMP back to every core.
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, n_threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which part of a run is done, and where its sound goes.

    Attributes:
        shard: None for the whole.
        audio_store: URL; "" for the run's own folder.
    """

    shard: Shard | None = None
    audio_store: str = ""

    def noted(self, manifest: Manifest) -> Manifest:
        """The manifest with it."""
        return replace(manifest, shard=self.shard, audio_store=self.audio_store)


def execute(
    spec: RunSpec,
    suites: list[Suite],
    folder: RunFolder,
    *,
    model: SpeechModel | None,
    stored_model: str,
    place: Place,
    quiet: bool,
) -> Outcome:
    """Run or re-score. With `model` None only what is stored is scored."""
    tools = make_tools(spec, suites, model=model, stored_model=stored_model, verdicts=folder.path / "verdicts.sqlite")
    versions = versions_elsewhere(model)
    manifest = manifest_of(tools.model_identity, tools.transcriber, tools.judge, suites, versions)
    request = RunRequest(
        spec=spec,
        suites=suites,
        tools=tools,
        manifest=place.noted(manifest),
        folder=folder,
        only_stored=model is None,
    )
    stages = ("generate", "transcribe", "judge") if tools.transcriber else ("generate", "judge")
    gc.freeze()  # the questions stay to the end: a long run would look through them again and again
    try:
        with RunProgress(quiet=quiet, stages=stages, spent=lambda: getattr(tools.judge, "spent", "")) as progress:
            executor: LocalExecutor[Work] = LocalExecutor()
            return drive(request, executor=executor, progress=progress)
    finally:
        gc.unfreeze()  # an ablation runs several models in one process
        close_judge(tools.judge, quiet=quiet)


def make_tools(
    spec: RunSpec, suites: list[Suite], *, model: SpeechModel | None, stored_model: str = "", verdicts: Path | None
) -> Tools:
    """The tools of a run's stages.

    Args:
        spec: of the run.
        suites: of the run.
        model: None to score what is stored.
        stored_model: identity of the model that gave the stored answers.
        verdicts: file that keeps what judges were paid for; None keeps nothing.
    """
    return Tools(
        model=model,
        model_identity=model.identity if model else stored_model,
        transcriber=catalog.make_transcriber(spec.asr, spec.asr_options, second=spec.second_asr),
        judge=catalog.make_judge(spec, suites, verdicts=verdicts),
        guard=catalog.find_guard(),
        languages={suite.card.id: suite.card.languages for suite in suites},
    )


def close_judge(judge: Judge, *, quiet: bool) -> None:
    """Let a judge go that holds servers and files, and tell what it took."""
    account = getattr(judge, "account", "")
    if account and not quiet:
        print(account, file=sys.stderr)
    close = getattr(judge, "close", None)
    if close is not None:
        close()


def versions_elsewhere(model: SpeechModel | None) -> dict[str, str]:
    """Versions in the interpreter that the model runs in, if that is not this one."""
    environment: dict[str, str] = getattr(model, "environment", {})
    return {f"{name}, of the model": version for name, version in environment.items()}


def manifest_of(
    model: str, transcriber: Transcriber | None, judge: Judge, suites: list[Suite], versions: dict[str, str]
) -> Manifest:
    """What measures a run, and what made it.

    Args:
        model: identity of the model.
        transcriber: None if there is none.
        judge: the scoring chain.
        suites: of the run.
        versions: beside those of this interpreter.
    """
    from aqaa_eval.metrics.normaliser import NORMALISER_VERSION

    return Manifest(
        model=model,
        asr=transcriber.identity if transcriber else "none",
        judge=judge.identity,
        normaliser=NORMALISER_VERSION,
        suites={suite.card.id: suite.data_hash for suite in suites},
        versions={**_versions(), **versions},
    )


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def conclude(folder: RunFolder, outcome: Outcome | None, *, as_json: bool, clean: Path | None = None) -> ExitCode:
    """Write the page, print the table (or JSON) and say how complete the run is.

    Args:
        folder: of the run.
        outcome: of this call; None if nothing was asked or scored.
        as_json: print data instead of a table.
        clean: folder of a run without perturbation, to say what is kept of its score.

    Raises:
        NotComparable: the clean run is another one in more than that.
    """
    from aqaa_eval.engine.load import load_run
    from aqaa_eval.reports.hearing import hearing_json, hearing_rows, print_hearing
    from aqaa_eval.reports.html import write_report
    from aqaa_eval.reports.kept import share_kept
    from aqaa_eval.reports.summary import summarise

    log = load_run(folder.path)
    summary = summarise(log)
    kept = share_kept(log, load_run(clean)) if clean else None
    page = write_report(log, summary, kept=kept)
    hearing = hearing_rows(log)
    if as_json:
        from aqaa_eval.reports.table import to_json

        told = {"run": str(folder.path), **to_json(summary, kept)}
        if hearing:
            told["hearing"] = hearing_json(hearing)
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        from rich.console import Console

        from aqaa_eval.reports.table import print_kept, print_table

        console = Console(width=None if sys.stdout.isatty() else 120)
        print_table(summary, console)
        print_hearing(hearing, console)
        if kept:
            print_kept(kept, console)
    for note in log.notes:
        print(f"note: {' '.join(note.split())}", file=sys.stderr)
    if log.manifest.audio_store:
        where = f"{log.manifest.audio_store}; copy it to {folder.audio} to hear it in the report"
        print(f"note: the sound of this run is in {where}", file=sys.stderr)
    print(f"report: {page}", file=sys.stderr)
    return _completeness(outcome, folder.path, log)


def _completeness(outcome: Outcome | None, path: Path, log: RunLog) -> ExitCode:
    if outcome is None:
        return ExitCode.PASSED
    broken = {kind: n for kind, n in outcome.failures.items() if kind in REDONE}
    if broken:
        told = ", ".join(f"{n} {kind}" for kind, n in broken.items())
        print(f"incomplete: {told}; the same command asks these again{_first_reason(log)}", file=sys.stderr)
        return ExitCode.INCOMPLETE
    if outcome.n_finished < outcome.n_planned:
        print(f"incomplete: {outcome.n_finished} of {outcome.n_planned} conversations in {path}", file=sys.stderr)
        return ExitCode.INCOMPLETE
    if log.not_run:
        print(
            f"incomplete: {len(log.not_run)} conversations could not be asked; the reasons are in {path}",
            file=sys.stderr,
        )
        return ExitCode.INCOMPLETE
    return ExitCode.PASSED


def _first_reason(log: RunLog) -> str:
    """What the first broken answer says of itself: mostly all of them say the same."""
    for attempt in log.attempts:
        for index, turn in enumerate(attempt.turns):
            if turn.failure in REDONE and turn.detail:
                return f"\nthe first, {attempt.suite}/{attempt.sample}#{index}: {' '.join(turn.detail.split())[:300]}"
    return ""
