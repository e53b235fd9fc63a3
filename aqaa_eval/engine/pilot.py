"""A few conversations of a run, drawn at random, put through its stages one after the other and measured."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Stage
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.audio_store import AudioStore
from aqaa_eval.engine.forecast import Measured
from aqaa_eval.engine.pipeline import Pipeline
from aqaa_eval.engine.plan import Job
from aqaa_eval.engine.records import KINDS, decode
from aqaa_eval.engine.run import stages_of
from aqaa_eval.engine.store import Record
from aqaa_eval.engine.work import Tools, Work

STORE_FACTOR = 1.25
"""Bytes of the database per byte of its records: keys, and pages that are not full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What judges have read and written."""

    n_prompt: int = 0
    n_reply: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What was measured.

    Attributes:
        sample: one entry per batch; the first conversation that was asked is not among them.
        n_conversations: in the sample.
        warm_up_s: what the first conversation took beyond a usual one: it brings what is loaded at first use.
        failures: of turns and verdicts, in the sample.
    """

    sample: tuple[Measured, ...]
    n_conversations: int
    warm_up_s: float
    failures: tuple[Failure, ...]


def draw(jobs: Sequence[Job], *, n: int, seed: int) -> list[Job]:
    """Conversations at random, none twice, and before them one for warming up, which may be one of them.

    Args:
        jobs: the plan; not empty.
        n: how many to measure; all of them if there are not more.
        seed: of the draw.
    """
    firsts = [job for job in jobs if job.repeat == 0]
    drawn = random.Random(seed).sample(firsts, min(n, len(firsts)))
    return [firsts[0], *drawn]


def measure(spec: RunSpec, tools: Tools, jobs: Sequence[Job], folder: Path, *, tokens: Callable[[], Tokens]) -> Pilot:
    """Put conversations through the stages, in the batches that their tools like.

    A tool that takes several at once (a server) is asked one by one here; its time is divided by how many it takes.

    Args:
        spec: of the run.
        tools: of the run.
        jobs: as `draw` gives them.
        folder: for the sound; it can be deleted afterwards.
        tokens: what the judges have read and written so far.
    """
    stages = stages_of(Pipeline(spec=spec, tools=tools, audio=AudioStore(folder)), tools)
    first, _ = _pass(stages, jobs[:1], folder, tokens)
    sample: list[Measured] = []
    failures: list[Failure] = []
    size = batch_of(tools)
    for start in range(1, len(jobs), size):
        measured, works = _pass(stages, jobs[start : start + size], folder, tokens)
        sample.append(measured)
        failures += [kind for work in works for kind in (*(t.failure for t in work.turns if t.failure), *work.lost)]
    usual_s = sum(sum(one.seconds.values()) for one in sample) / len(sample)
    return Pilot(
        sample=tuple(sample),
        n_conversations=len(jobs) - 1,
        warm_up_s=max(0.0, sum(first.seconds.values()) - usual_s),
        failures=tuple(failures),
    )


def batch_of(tools: Tools) -> int:
    """Conversations that are measured together."""
    return max(tools.model_batch, tools.asr_batch)


def _pass(
    stages: Sequence[Stage[Work]], jobs: Sequence[Job], folder: Path, tokens: Callable[[], Tokens]
) -> tuple[Measured, list[Work]]:
    """One batch through all stages; what it took is told per conversation."""
    works = [Work(job=job, stored={}) for job in jobs]
    seconds: dict[str, float] = {}
    n_record_bytes, before = 0, tokens()
    for stage in stages:
        began_s = time.perf_counter()
        done: list[Work] = []
        for start in range(0, len(works), stage.batch):
            done += stage.work(works[start : start + stage.batch])
        seconds[stage.name] = (time.perf_counter() - began_s) / len(works) / stage.width
        records = [record for work in done for record in work.fresh]
        n_record_bytes += sum(len(record.body) for record in records)
        works = [replace(work, fresh=()) for work in done]
        if stage.name == "generate":
            n_answer_bytes, n_question_bytes = _sound_bytes(records, folder)
    used = tokens()
    n = len(works)
    measured = Measured(
        seconds=seconds,
        n_answer_bytes=n_answer_bytes / n,
        n_question_bytes=n_question_bytes / n,
        n_record_bytes=n_record_bytes * STORE_FACTOR / n,
        n_prompt_tokens=(used.n_prompt - before.n_prompt) / n,
        n_reply_tokens=(used.n_reply - before.n_reply) / n,
    )
    return measured, works


def _sound_bytes(records: Sequence[Record], folder: Path) -> tuple[int, int]:
    """Bytes of the answers and of the questions that records name."""
    sizes = {"generate": 0, "ask": 0}
    for record in records:
        name = decode(record.body, KINDS[record.step]).audio
        sizes[record.step] += (folder / name).stat().st_size if name else 0
    return sizes["generate"], sizes["ask"]
