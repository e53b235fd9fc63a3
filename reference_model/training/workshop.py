"""The folder in which a model is made: its numbers, what may be learnt, and how a stage is trained there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.training.domain.pairs import TRAIN, DomainPair
from aqaa_eval.reference_model.training.loop import Stage, TrainingPlan, Watcher, train
from aqaa_eval.reference_model.training.recipe import Recipe
from aqaa_eval.reference_model.training.speech_store import StoredTake, stored_takes

StageWatcher = Callable[[str, int, int, Mapping[str, float]], None]
"""Told of a stage, its finished step, all its steps, and the step's figures."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A folder in which a model is made.

    Attributes:
        recipe: all numbers.
        folder: for everything that is made.
        pairs: of the domain; those that are held out are coded, and never learnt.
        watch: told of progress.
        start: a model whose parts are the beginning where their sizes are the recipe's; None begins from nothing.
        keeps_tokenizer: the start's tokenizer is taken over as it is, so that all codes keep their meanings.

    Raises:
        ValueError: a tokenizer is to be kept and there is no start, or one of other sizes.
    """

    recipe: Recipe
    folder: Path
    pairs: Sequence[DomainPair]
    watch: StageWatcher | None = None
    start: StepAudioAQAA | None = None
    keeps_tokenizer: bool = False

    def __post_init__(self) -> None:
        if not self.keeps_tokenizer:
            return
        if self.start is None:
            raise ValueError("a tokenizer can be kept only of a start: give one")
        theirs, mine = self.start.config, self.recipe.config
        if (theirs.linguistic, theirs.semantic) != (mine.linguistic, mine.semantic):
            raise ValueError("the start's tokenizer has other sizes than the recipe's: it cannot be kept")

    @property
    def speech(self) -> Path:
        """Where the recordings lie."""
        return self.folder / "speech"

    @property
    def models(self) -> Path:
        """Where the finished models lie."""
        return self.folder / "models"

    def run(self, name: str, model: nn.Module, epoch: Callable[[int], Iterator[Any]]) -> None:
        """Train a module whose `forward` is its loss, by the plan of this name."""
        self.run_stage(Stage(name=name, model=model, loss=lambda network, batch: network(batch), epoch=epoch), name)

    def run_stage(self, stage: Stage[Any], plan_name: str) -> None:
        """Train a stage in the folder of its name."""
        plan = self.recipe.plans[plan_name]
        stage = replace(stage, on_cpu=True)  # the parts of a small model pass from stage to stage
        train(stage, plan, self.stage_folder(stage.name), watch=self._watcher(stage.name, plan))

    def stage_folder(self, name: str) -> Path:
        """Where a stage keeps its checkpoints and figures."""
        return self.folder / "stages" / name

    def _watcher(self, name: str, plan: TrainingPlan) -> Watcher | None:
        watch = self.watch
        return None if watch is None else lambda step, figures: watch(name, step, plan.n_steps, figures)

    @cached_property
    def trained_pairs(self) -> list[DomainPair]:
        """What may be learnt, questions with answers."""
        return [pair for pair in self.pairs if pair.split == TRAIN and pair.is_answered]

    @cached_property
    def dictated_pairs(self) -> list[DomainPair]:
        """What is only written down."""
        return [pair for pair in self.pairs if not pair.is_answered]

    @cached_property
    def held_out_keys(self) -> frozenset[str]:
        """Questions that no part may be trained on."""
        return frozenset(pair.key for pair in self.pairs if pair.split != TRAIN)

    def takes(self, **which: Iterable[str]) -> Iterator[StoredTake]:
        """Recordings that may be learnt."""
        return (take for take in stored_takes(self.speech, **which) if take.key not in self.held_out_keys)


def save_whole(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors whole or not at all."""
    temporary = path.with_suffix(".part")
    save_file(dict(tensors), temporary)
    os.replace(temporary, path)
