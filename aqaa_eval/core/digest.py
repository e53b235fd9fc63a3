"""One hash for all that a run recorded, whatever the file it was read from and wherever that lies."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.runlog import AttemptLog, Manifest, RunLog

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def records_sha256(log: RunLog) -> str:
    """SHA-256 of the run's spec, measuring chain, cards, attempts and scores, in a fixed order.

    Recordings count by name, which in a run folder is their content's hash. A baseline file is not the same records as
    the run that it was exported from: it has no sound.
    """
    digest = hashlib.sha256()
    head = {
        "spec": log.spec.model_dump(mode="json"),
        "manifest": _adapter(Manifest).dump_python(log.manifest, mode="json"),
        "cards": [log.cards[suite].model_dump(mode="json") for suite in sorted(log.cards)],
        "n_planned": log.n_planned,
        "not_run": _adapter(tuple[NotRun, ...]).dump_python(log.not_run, mode="json"),
    }
    digest.update(_canonical(head))
    for attempt in sorted(log.attempts, key=lambda item: (item.suite, item.sample, item.repeat)):
        digest.update(_canonical(_adapter(AttemptLog).dump_python(attempt, mode="python")))
    return digest.hexdigest()


def _canonical(value: object) -> bytes:
    # ASCII, so that a lone surrogate in some model's text is a hash like any other.
    return (json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n").encode("ascii")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
