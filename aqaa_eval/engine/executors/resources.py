"""What each stage of a run on a cluster gets: workers, and of each worker its GPUs, cores and batch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from aqaa_eval.core.errors import UsageError

STAGES = ("generate", "transcribe", "judge")
_FORM = "gpus=1,cpus=2,workers=8,batch=16, or workers=2-8 for a pool that grows and shrinks"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResources:
    """The pool of one stage.

    Attributes:
        min_workers: processes that it keeps.
        max_workers: processes that it may grow to while work waits.
        gpus: per worker; a share is one that several workers use together.
        cpus: per worker.
        batch: conversations that a worker is given together; None for what its model likes.
    """

    min_workers: int = 1
    max_workers: int = 1
    gpus: float = 0.0
    cpus: float = 1.0
    batch: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_workers <= self.max_workers:
            raise UsageError(
                f"workers={self.min_workers}-{self.max_workers}: at least 1, and the first not above the second"
            )
        if self.gpus < 0 or self.cpus < 0 or (self.batch is not None and self.batch < 1):
            raise UsageError(f"gpus and cpus are at least 0 and batch at least 1; write it as {_FORM}")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UsageError(f"gpus={self.gpus:g}: a worker gets a share of one GPU, or whole ones")


def parse_resources(text: str, *, stage: str) -> StageResources:
    """Read what follows `--generate`, `--transcribe` or `--judge`.

    >>> parse_resources("gpus=1,workers=2-8,batch=16", stage="generate")
    StageResources(min_workers=2, max_workers=8, gpus=1.0, cpus=1.0, batch=16)

    Raises:
        UsageError: a part that is unknown, malformed or out of range.
    """
    found = StageResources()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        bounds = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", value, flags=re.ASCII)
        number = re.fullmatch(r"\d{1,6}(?:\.\d{1,4})?", value, flags=re.ASCII)
        if name == "workers" and bounds:
            low = int(bounds[1])
            found = replace(found, min_workers=low, max_workers=int(bounds[2] or low))
        elif name == "batch" and bounds and not bounds[2]:
            found = replace(found, batch=int(value))
        elif name == "gpus" and number:
            found = replace(found, gpus=float(value))
        elif name == "cpus" and number:
            found = replace(found, cpus=float(value))
        else:
            raise UsageError(f"--{stage} {text}: {part!r} is not understood; write it as {_FORM}")
    return found
