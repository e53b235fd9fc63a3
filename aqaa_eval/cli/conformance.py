"""What `aqaa-eval validate model` puts to a model, and how the table is printed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from aqaa_eval import catalog
from aqaa_eval.conformance import Conversation, ExamSettings, Finding, Materials, Verdict
from aqaa_eval.conformance.findings import counted, is_passed
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.protocols import SpeechModel
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Sample

STORED_FAKES = ("fake:oracle", "fake:random", "fake:scripted")
_GREETING = "你好，请问今天天气怎么样？"
_COLOURS = {Verdict.HOLDS: "green", Verdict.NOTED: "yellow", Verdict.BROKEN: "red", Verdict.NOT_TRIED: "dim"}


def materials() -> Materials:
    """Bundled conversations, and a Chinese question where a voice can speak it."""
    gaming = _samples("gaming")
    talk = next(sample for sample in gaming if len(sample.turns) >= 3)
    others = [sample for sample in gaming if sample.id != talk.id][:2]
    wants_chinese = next(
        sample for sample in _samples("language_ability") if sample.turns[0].answer_language.startswith("zh")
    )
    chinese, lacking = _chinese()
    return Materials(
        talk=_conversation(talk),
        others=tuple(_conversation(sample) for sample in others),
        asks_for_chinese=_conversation(wants_chinese),
        chinese=chinese,
        no_chinese=lacking,
    )


def _samples(suite: str) -> list[Sample]:
    [found] = catalog.make_suites([suite])
    return list(found.samples())


def _conversation(sample: Sample) -> Conversation:
    questions = tuple(turn.audio.load() for turn in sample.turns if turn.audio is not None)
    return Conversation(key=sample.key, questions=questions)


def _chinese() -> tuple[Audio | None, str]:
    """A question in Chinese; or why there is none."""
    from aqaa_eval.core.performance import Phrase
    from aqaa_eval.tasks.speaking.performer import missing_for, perform

    lacking = missing_for({"zh"})
    if lacking:
        return None, f"no Chinese recording is bundled, because no voice for it may be passed on; {'; '.join(lacking)}"
    return perform([Phrase(say=_GREETING)], language="zh"), ""


def exam_settings(spec: RunSpec, *, limit_s: float) -> ExamSettings:
    """How the model of a spec is examined: its own time limit, and what must not stand in its name."""
    from aqaa_eval.adapters.processes import secrets_of

    head = spec.model.partition(":")[0]
    entry = catalog.MODELS.get(head)
    limit = "worker_timeout_s" if spec.python is not None else entry.limit if entry else ""
    is_stored = bool(entry and entry.is_stored) or spec.model.startswith(STORED_FAKES)

    def make_late(seconds: float) -> SpeechModel:
        return catalog.make_model(spec.model_copy(update={"model_options": {**spec.model_options, limit: seconds}}))

    return ExamSettings(
        limit_s=limit_s,
        seed=spec.seed,
        make_late=make_late if limit else None,
        no_limit="" if limit else "it runs in this process and has no limit; --python gives it one (worker_timeout_s)",
        is_stored=is_stored,
        secrets=tuple(secret.decode() for secret in secrets_of(os.environ)),
    )


def print_findings(name: str, findings: Sequence[Finding]) -> None:
    """The table, and how many there are of each kind."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("rule", "", "what was seen"):
        table.add_column(column, overflow="fold", no_wrap=column != "what was seen")
    for finding in findings:
        verdict = Text(finding.verdict.value, style=_COLOURS[finding.verdict])
        table.add_row(Text(finding.rule), verdict, Text(finding.reason))
    console = Console()
    console.width = max(console.width, 120)
    console.print(table)
    print(f"{name}: {counted(findings)}")


def print_json(name: str, findings: Sequence[Finding]) -> None:
    """The same as data."""
    rows = [{"rule": row.rule, "verdict": row.verdict.value, "reason": row.reason} for row in findings]
    print(json.dumps({"model": name, "passed": is_passed(findings), "rules": rows}, indent=1, ensure_ascii=False))


def told(findings: Iterator[Finding], *, quiet: bool) -> Iterator[Finding]:
    """The findings as they come, each with a line of progress on standard error."""
    import sys

    for finding in findings:
        if not quiet:
            print(f"{finding.rule}: {finding.verdict}", file=sys.stderr, flush=True)
        yield finding
