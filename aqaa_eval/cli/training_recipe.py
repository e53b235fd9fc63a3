"""A recipe followed in a folder: its recordings, and all that comes before a stage of the decoder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.cli.training_progress import TrainingProgress

if TYPE_CHECKING:
    from aqaa_eval.reference_model.training.coding import Codes
    from aqaa_eval.reference_model.training.workshop import Workshop
    from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

DEFAULT_JOBS = min(2, os.cpu_count() or 1)


def make_models(
    until: str,
    preset: str,
    out: Path,
    jobs: int = DEFAULT_JOBS,
    *,
    start: str | None = None,
    keep_tokenizer: bool = False,
) -> Path:
    """A recipe up to a stage of the decoder, and all that comes before: the folder of its models."""
    from aqaa_eval.cli.training_judge import AnswerJudge
    from aqaa_eval.reference_model.training import steps
    from aqaa_eval.reference_model.training.coding import make_codes
    from aqaa_eval.reference_model.training.side_by_side import beside, tell

    judge = AnswerJudge()  # first: what it needs and is not here should not be found out after an hour
    with workshop(preset, out, start, keep_tokenizer) as shop:
        tokenizer = steps.make_tokenizer(shop, n_jobs=jobs)
        codes = make_codes(shop, tokenizer, n_jobs=jobs)
        print("\n".join(codebook_lines(shop, codes)), file=sys.stderr)
        with beside(jobs, steps.make_vocoder, replace(shop, watch=tell), codes, hear=shop.watch) as wait:

            def vocoder() -> Vocoder:
                wait()
                return steps.make_vocoder(shop, codes)

            return steps.make_models(shop, codes, tokenizer, vocoder, judge, until=steps.Until(until))


def codebook_lines(shop: Workshop, codes: Codes) -> list[str]:
    """How much of each codebook is used, in words."""
    from aqaa_eval.reference_model.training.coding import uses_of_codebooks

    uses = uses_of_codebooks(shop, codes).items()
    return [f"{name}: {u.n_used} of {u.n_codes} codes used, perplexity {u.perplexity:.0f}" for name, u in uses]


@contextmanager
def clear_errors(verb: str) -> Iterator[None]:
    """What breaks a rule of training, or cannot be read or written, is told in one line."""
    from aqaa_eval.core.errors import UsageError

    try:
        yield
    except (ValueError, OSError) as error:
        raise UsageError(f"train {verb}: {error}") from error


@contextmanager
def workshop(
    preset: str, out: Path, start: str | None = None, keep_tokenizer: bool = False, *, is_speech_only: bool = False
) -> Iterator[Workshop]:
    """The folder with its recordings made; what is made there from now on is shown."""
    from aqaa_eval.cli.training_studio import OfflineStudio, domain_pairs
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.reference_model.checkpoint import load_model
    from aqaa_eval.reference_model.training.recipe import FURTHER, RECIPES
    from aqaa_eval.reference_model.training.speech_store import speak_domain
    from aqaa_eval.reference_model.training.workshop import Workshop

    if preset not in RECIPES:
        raise UsageError(f"--preset {preset}: there is no such recipe; use one of {', '.join(RECIPES)}")
    if preset == FURTHER and not start and not is_speech_only:
        raise UsageError(
            f"--preset {FURTHER} takes trained weights further: give them by --start, such as --start tiny"
        )
    recipe = RECIPES[preset]()
    with clear_errors(f"--start {start}"):
        begun = load_model(start) if start else None
    pairs = domain_pairs(recipe)
    with TrainingProgress() as progress:
        with clear_errors("--keep-tokenizer"):
            shop = Workshop(
                recipe=recipe, folder=out, pairs=pairs, watch=progress, start=begun, keeps_tokenizer=keep_tokenizer
            )
        if not is_speech_only:
            _hold_beginning(out, {"preset": preset, "start": start, "keep_tokenizer": keep_tokenizer})
        with clear_errors("speak"):
            told, n_workers = without_figures(progress, "speech"), os.cpu_count() or 1
            speak_domain(pairs, OfflineStudio(), shop.speech, n_workers=n_workers, watch=told)
        with clear_errors(f"--preset {preset}"):
            yield shop


def without_figures(progress: TrainingProgress, stage: str) -> Callable[[int, int], None]:
    """Shows a stage that has no figures but how much of it is done."""
    return lambda done, total: progress(stage, done, total, {})


def _hold_beginning(out: Path, given: dict[str, str | bool | None]) -> None:
    """Go on in a folder only as it was begun: half of its stages would come from one start, and half from another.

    Raises:
        UsageError: it was begun otherwise.
    """
    from aqaa_eval.core.errors import UsageError

    file = out / "begun.json"
    if not file.is_file():
        out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(given, indent=2) + "\n", "utf-8")
    elif (begun := json.loads(file.read_text("utf-8"))) != given:
        options = {f"--{name.replace('_', '-')}": value for name, value in begun.items() if value}
        told = " ".join(option if value is True else f"{option} {value}" for option, value in options.items())
        raise UsageError(f"{out} was begun with {told}: give the same, or another folder by --out")
