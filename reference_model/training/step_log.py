"""The figures of a stage, step by step: `metrics.jsonl` and TensorBoard's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS_NAME = "metrics.jsonl"


class StepLog:
    """Writes the figures of a stage into its folder; a resumed run drops those of steps that it makes again."""

    def __init__(self, folder: Path, stage: str) -> None:
        self._folder, self._stage = folder, stage
        self._writer: Any = None

    def cut(self, last_step: int) -> None:
        """Drop lines of steps that will be made again, and a line that a kill cut."""
        path = self._folder / METRICS_NAME
        if not path.is_file():
            return
        kept = []
        for line in path.read_text("utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break
            if row["step"] > last_step:
                break
            kept.append(line + "\n")
        path.write_text("".join(kept), encoding="utf-8")

    def write(self, step: int, figures: Mapping[str, float], elapsed_s: float) -> None:
        """One finished step."""
        row = {"step": step, **figures, "seconds": round(elapsed_s, 3)}
        with (self._folder / METRICS_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._writer is None:
            self._writer = _tensorboard(self._folder, step)
        for name, value in figures.items():
            self._writer.add_scalar(f"{self._stage}/{name}", value, step)

    def close(self) -> None:
        """With every checkpoint, a file each: the writer has a thread that can be waited for only by closing it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _tensorboard(folder: Path, first_step: int) -> Any:
    """A writer of TensorBoard's files; what an earlier one wrote of these steps is not shown."""
    from tensorboardX import SummaryWriter

    suffix = f".from-{first_step:07d}"
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step, filename_suffix=suffix)
