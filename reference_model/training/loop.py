"""The training loop: any loss over any batches, on one process or many, resumed from the last step after a kill.

accelerate does what is distributed (one process, `accelerate launch` with DDP or FSDP) and mixed precision. Batches are
a pure function of (epoch, seed), so a resumed run sees what an uninterrupted one would have seen, and gives the same
curve. A loss comes as sum and count: the step divides by what all processes and accumulated batches counted together,
so two processes of half a batch make the step of one process.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from itertools import count, islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.training.muon import FACTOR, Muon, is_hidden
from aqaa_eval.reference_model.training.step_log import StepLog

BatchT = TypeVar("BatchT")
PLAN_NAME = "plan.json"
_KEPT = 2  # checkpoints on disk: the last one, and the one before should it be cut
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How a stage is trained.

    Attributes:
        n_steps: optimiser steps in all.
        learning_rate: the highest, after the warm-up.
        final_share: what is left of it at the end of the cosine.
        n_warmup: steps of linear rise.
        weight_decay: of AdamW, on matrices only.
        betas: of AdamW.
        clip_norm: gradient norm at which a step is cut.
        n_accumulated: batches per step and process.
        precision: "no" (fp32), "bf16" (autocast), or "auto": bf16 where the processor computes in it, else fp32.
        optimizer: "adamw", or "muon" for the matrices inside, see `muon`, and AdamW for the rest.
        seed: of the order of the data and of what the model draws.
        checkpoint_every: steps between checkpoints.
    """

    n_steps: int
    learning_rate: float
    final_share: float = 0.1
    n_warmup: int = 0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    clip_norm: float = 1.0
    n_accumulated: int = 1
    precision: str = "no"
    optimizer: str = "adamw"
    seed: int = 0
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.n_accumulated < 1 or self.checkpoint_every < 1 or not self.learning_rate > 0:
            raise ValueError("n_steps, n_accumulated and checkpoint_every must be at least 1, learning_rate above 0")
        if not math.isfinite(self.learning_rate) or not 0 <= self.seed < 2**32:
            raise ValueError(
                f"learning_rate {self.learning_rate} must be finite, and seed {self.seed} from 0 to 2^32 - 1"
            )
        if self.precision not in ("no", "bf16", "auto"):
            raise ValueError(f"precision {self.precision!r} must be 'no', 'bf16' or 'auto'")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"optimizer {self.optimizer!r} must be 'adamw' or 'muon'")

    def uses_bf16(self, device: torch.device) -> bool:
        """Whether products are computed in bf16 on this device."""
        return self.precision == "bf16" or (self.precision == "auto" and computes_in_bf16(device))

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, from 0.

        >>> plan = TrainingPlan(n_steps=100, learning_rate=1.0, n_warmup=10)
        >>> [round(plan.rate_at(step), 3) for step in (0, 9, 10, 55, 100)]
        [0.1, 1.0, 1.0, 0.55, 0.1]
        """
        if step < self.n_warmup:
            return self.learning_rate * (step + 1) / self.n_warmup
        done = min(1.0, (step - self.n_warmup) / max(1, self.n_steps - self.n_warmup))
        share = self.final_share + (1 - self.final_share) * 0.5 * (1 + math.cos(math.pi * done))
        return self.learning_rate * share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepLoss:
    """What one batch gives.

    Attributes:
        total: sum of the loss, with gradient.
        count: what it is divided by (tokens, frames, pairs).
        shown: further figures for the log, each a mean over the batch; a stage's batches all have the same names.
    """

    total: Tensor
    count: int
    shown: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[BatchT]):
    """What is trained.

    Attributes:
        name: for logs.
        model: whose parameters that need a gradient are trained.
        loss: of the model on a batch.
        epoch: batches of an epoch, the same every time it is asked for the same number. Those with a method `to` are
            moved to the model's device.
        given: what else a run must have to go on in a folder, by name, such as a hash of its data.
        on_cpu: stay on the processor where there is a GPU, as stages of a small model do, which make tensors there.
    """

    name: str
    model: nn.Module
    loss: Callable[[nn.Module, BatchT], StepLoss]
    epoch: Callable[[int], Iterator[BatchT]]
    given: Mapping[str, str | float | bool] = field(default_factory=dict)
    on_cpu: bool = False


Watcher = Callable[[int, Mapping[str, float]], None]
"""Told of each finished step and its figures."""


def train(stage: Stage[Any], plan: TrainingPlan, folder: Path, *, watch: Watcher | None = None) -> bool:
    """Train a stage to its last step; the same call again goes on after the last checkpoint.

    Args:
        stage: what is trained; its model holds the result.
        plan: how.
        folder: for checkpoints, `metrics.jsonl` and TensorBoard's files.
        watch: told of each step, on the main process.

    Returns:
        whether this is the main process, which writes what is left to write.

    Raises:
        ValueError: the folder holds a run of another plan or of other data, an epoch has no batch, or loss or gradient
            is not finite.
    """
    run = _Run(stage, plan, folder)
    run.resume()
    batches = run.batches()
    while run.step < plan.n_steps:
        figures = run.advance([next(batches) for _ in range(plan.n_accumulated)])
        if watch and run.is_main:
            watch(run.step, figures)
        if run.step % plan.checkpoint_every == 0 or run.step == plan.n_steps:
            run.save()
    run.finish()
    return run.is_main


class _Run:
    """One call of `train`."""

    def __init__(self, stage: Stage[Any], plan: TrainingPlan, folder: Path) -> None:
        from accelerate import Accelerator
        from accelerate.utils import set_seed

        self.step = 0
        self._stage, self._plan, self._folder = stage, plan, folder
        on_cpu = stage.on_cpu or not torch.cuda.is_available()
        # Autocast is ours: accelerate keeps one precision per process, and stages of one command may differ.
        self._accelerator = Accelerator(mixed_precision="no", cpu=on_cpu)
        self.is_main = bool(self._accelerator.is_main_process)
        self._keep_plan()
        set_seed(plan.seed)
        stage.model.train()
        self._uses_bf16 = plan.uses_bf16(self._accelerator.device)
        optimizers = _optimizers(stage.model, plan, torch.bfloat16 if self._uses_bf16 else torch.float32)
        self._model, *self._optimizers = self._accelerator.prepare(stage.model, *optimizers)
        self._log = StepLog(folder, stage.name) if self.is_main else None

    def _keep_plan(self) -> None:
        path, given = self._folder / PLAN_NAME, dict(self._stage.given)
        written = json.dumps({"stage": self._stage.name, **asdict(self._plan), **given}, indent=1)
        if path.is_file() and has_checkpoint(self._folder):
            # A setting that came with a later version stood at its default before.
            settled = {known.name: known.default for known in fields(self._plan) if known.default is not MISSING}
            wanted = json.loads(written)
            found = json.loads(json.dumps({**settled, **given})) | json.loads(path.read_text())
            differ = {name for name in found | wanted if found.get(name) != wanted.get(name)}
            if others := sorted(differ - {"checkpoint_every"}):
                raise ValueError(
                    f"{self._folder} holds a training run of another plan ({', '.join(others)}): "
                    "give another folder, or empty it"
                )
        self._accelerator.wait_for_everyone()  # no process reads what another is writing
        if self.is_main:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(written + "\n")

    def resume(self) -> None:
        """Load the last whole checkpoint, and drop what was logged after it.

        Raises:
            ValueError: there are checkpoints, and none is whole.
        """
        found = _checkpoints(self._folder)
        for path in reversed(found):
            try:
                self._accelerator.load_state(str(path))
            except Exception as error:  # each library has its own for a file that was cut
                _log.warning("%s cannot be loaded (%s): the one before it is taken", path, error)
                continue
            self.step = int(path.name.removeprefix("step-"))
            break
        else:
            if found:
                raise ValueError(f"no checkpoint in {self._folder} can be loaded: empty it to begin again")
        if self._log:
            self._log.cut(self.step)

    def batches(self) -> Iterator[Any]:
        """This process's batches from where the run stands: all processes are dealt one stream, epoch after epoch."""
        accelerator = self._accelerator
        n_dealt = self.step * self._plan.n_accumulated * accelerator.num_processes
        return islice(self._stream(), n_dealt + accelerator.process_index, None, accelerator.num_processes)

    def _stream(self) -> Iterator[Any]:
        for number in count():
            epoch = self._stage.epoch(number)
            first = next(epoch, None)
            if first is None:
                raise ValueError(f"{self._stage.name}: epoch {number} has no batch; give more data")
            yield first
            yield from epoch

    def advance(self, batches: list[Any]) -> dict[str, float]:
        """One optimiser step over these batches; its figures."""
        started_s = time.perf_counter()
        rate = self._plan.rate_at(self.step)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
        last = len(batches) - 1
        loss = self._pooled([self._backward(batch, is_last=place == last) for place, batch in enumerate(batches)])
        self._scale_gradients(1 / max(1.0, loss["count"]))
        norm = float(self._accelerator.clip_grad_norm_(self._model.parameters(), self._plan.clip_norm))
        if not (math.isfinite(loss["loss"]) and math.isfinite(norm)):
            # Before the step: weights that are not numbers would go into the next checkpoint.
            kept = f"; the last checkpoint in {self._folder} is whole" if has_checkpoint(self._folder) else ""
            raise ValueError(
                f"{self._stage.name}: at step {self.step} the loss is {loss['loss']} and the norm of its gradient "
                f"{norm}: lower the learning rate{kept}"
            )
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        figures = {**loss, "rate": rate, "norm": norm}
        if self._log:
            self._log.write(self.step, figures, time.perf_counter() - started_s)
        return figures

    def _backward(self, batch: Any, *, is_last: bool) -> StepLoss:
        """The loss of one batch, its gradient added to the others'; processes exchange theirs after the last."""
        from accelerate.utils import send_to_device

        with _maybe(self._accelerator.no_sync(self._model), not is_last), self._autocast():
            loss = self._stage.loss(self._model, send_to_device(batch, self._accelerator.device))
            # Summed over batches and averaged over processes by DDP; divided by the count afterwards.
            self._accelerator.backward(loss.total * self._accelerator.num_processes)
        return replace(loss, total=loss.total.detach())

    def _pooled(self, losses: list[StepLoss]) -> dict[str, float]:
        """Loss, count and further figures over the batches of all processes."""
        names = list(losses[0].shown or {})
        sums = torch.zeros(2 + len(names), dtype=torch.float64)
        for loss in losses:
            shown = [(loss.shown or {})[name] * loss.count for name in names]
            sums += torch.tensor([loss.total.item(), float(loss.count), *shown], dtype=torch.float64)
        reduced: Tensor = self._accelerator.reduce(sums.to(self._accelerator.device))
        total, n, *shown = reduced.tolist()
        means = {name: value / max(1.0, n) for name, value in zip(names, shown, strict=True)}
        return {"loss": total / max(1.0, n), "count": n, **means}

    def _autocast(self) -> Any:
        return torch.autocast(self._accelerator.device.type, torch.bfloat16, enabled=self._uses_bf16)

    def _scale_gradients(self, factor: float) -> None:
        for parameter in self._model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)

    def save(self) -> None:
        """Write a checkpoint, whole or not at all, and forget the oldest."""
        path = self._folder / f"step-{self.step:07d}"
        part = path.with_name(path.name + ".part")
        if self._log:
            self._log.close()
            shutil.rmtree(part, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        self._accelerator.save_state(str(part))
        self._accelerator.wait_for_everyone()
        if self.is_main:
            shutil.rmtree(path, ignore_errors=True)  # one that was cut, and could not be loaded
            part.replace(path)
            for old in _checkpoints(self._folder)[:-_KEPT]:
                shutil.rmtree(old)

    def finish(self) -> None:
        """Leave the model ready for use."""
        self._accelerator.wait_for_everyone()
        if self._log:
            self._log.close()
        self._stage.model.eval()


def _optimizers(model: nn.Module, plan: TrainingPlan, dtype: torch.dtype) -> list[torch.optim.Optimizer]:
    """Matrices decay, vectors (norms, biases) do not."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    hidden = {name: p for name, p in trained.items() if plan.optimizer == "muon" and is_hidden(name, p)}
    rest = [p for name, p in trained.items() if name not in hidden]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": plan.weight_decay, "factor": 1.0},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, "factor": 1.0},
    ]
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=plan.learning_rate, betas=plan.betas, fused=True)
    ]
    if hidden:
        group = {"params": list(hidden.values()), "factor": FACTOR}
        found.append(Muon([group], lr=plan.learning_rate, weight_decay=plan.weight_decay, dtype=dtype))
    return found


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bf16 is quicker than fp32 there: on a GPU that has it, or a processor that multiplies it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def has_checkpoint(folder: Path) -> bool:
    """Whether a stage of this folder would go on after a checkpoint."""
    return bool(_checkpoints(folder))


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".part")


def _maybe(context: Any, is_wanted: bool) -> Any:
    from contextlib import nullcontext

    return context if is_wanted else nullcontext()


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a model whose parameters may lie in parts on many processes, as FSDP leaves them.

    All processes must call it together. Those beside the main one get nothing where the parameters are in parts.

    Returns:
        whole tensors on the processor, by name.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    found: dict[str, Any] = get_model_state_dict(model, options=options)
    return found
