"""`aqaa-eval train`: the reference model from nothing, or a stage of its own on your data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aqaa_eval.cli.training_progress import TrainingProgress

if TYPE_CHECKING:
    from aqaa_eval.reference_model.training.loop import TrainingPlan
    from aqaa_eval.reference_model.training.workshop import Workshop
    from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

app = typer.Typer(no_args_is_help=True, help="Train the reference model: from nothing, or one stage on your data.")

Preset = Annotated[str, typer.Option(help="Recipe: tiny (hours on two cores) or smoke (a minute, noise comes out).")]
Work = Annotated[Path, typer.Option(help="Folder for everything that is made; the same command goes on there.")]
Model = Annotated[Path, typer.Option(help="Folder of the model to start from.")]
Data = Annotated[str, typer.Option(help="JSONL or parquet file, folder of a saved dataset, or a dataset of the hub.")]
Steps = Annotated[int, typer.Option(help="Optimiser steps.")]
Rate = Annotated[float, typer.Option(help="Highest learning rate; cosine after a warm-up.")]
Layout = Annotated[str, typer.Option(help="Of the answers: interleave_10_15, text_to_audio, audio_only or N:M.")]
Precision = Annotated[str, typer.Option(help="no (fp32), bf16, or auto: bf16 where it is quicker.")]
Trained = Annotated[Path, typer.Option(help="Folder; the trained model comes into its folder `model`.")]
Seed = Annotated[int, typer.Option(help="Of the order of the data.")]
Start = Annotated[
    str | None,
    typer.Option(help="Model whose parts are the beginning (tiny or a folder); without it all begins from nothing."),
]
KeepTokenizer = Annotated[
    bool,
    typer.Option("--keep-tokenizer", help="Take the start's tokenizer over as it is: its codes keep their meanings."),
]
Jobs = Annotated[
    int,
    typer.Option(
        min=1, max=2, help="2 trains side by side what does not wait for each other, with half of the cores each."
    ),
]
_DEFAULT_WORK = Path("runs/train-tiny")
_DEFAULT_JOBS = min(2, os.cpu_count() or 1)


@app.command(name="all")
def train_all(
    preset: Preset = "tiny",
    out: Work = _DEFAULT_WORK,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
    jobs: Jobs = _DEFAULT_JOBS,
) -> None:
    """From nothing to all models and what is shipped: voices, tokenizer, vocoder, SFT 1 and 2, DPO, merge.

    aqaa-eval train all --preset tiny

    The offline voices ask and answer, so it needs the extra `offline`. Stop it at any time and give it again.
    """
    from aqaa_eval.cli.training_judge import AnswerJudge
    from aqaa_eval.reference_model.training import steps
    from aqaa_eval.reference_model.training.coding import make_codes
    from aqaa_eval.reference_model.training.shipping import ship
    from aqaa_eval.reference_model.training.side_by_side import beside, tell

    judge = AnswerJudge()  # now: what it needs and is not here should not be found out after an hour
    with _workshop(preset, out, start, keep_tokenizer) as shop:
        tokenizer = steps.make_tokenizer(shop, n_jobs=jobs)
        codes = make_codes(shop, tokenizer, n_jobs=jobs)
        with beside(jobs, steps.make_vocoder, replace(shop, watch=tell), codes, hear=shop.watch) as wait:

            def vocoder() -> Vocoder:
                wait()
                return steps.make_vocoder(shop, codes)

            merged = steps.make_models(shop, codes, tokenizer, vocoder, judge)
    print(ship(merged, shop.folder / "shipped"))


@app.command()
def speak(preset: Preset = "tiny", out: Work = _DEFAULT_WORK) -> None:
    """Only the recordings: the tiny domain, asked in many voices and answered in one."""
    with _workshop(preset, out, is_speech_only=True) as shop:
        pass
    print(shop.speech)


@app.command()
def tokenizer(preset: Preset = "tiny", out: Work = _DEFAULT_WORK, start: Start = None) -> None:
    """Up to the dual-codebook tokenizer, with the use of its codebooks."""
    from aqaa_eval.reference_model.training import steps
    from aqaa_eval.reference_model.training.coding import make_codes, uses_of_codebooks

    with _workshop(preset, out, start) as shop:
        codes = make_codes(shop, steps.make_tokenizer(shop))
    for name, use in uses_of_codebooks(shop, codes).items():
        print(f"{name}: {use.n_used} of {use.n_codes} codes used, perplexity {use.perplexity:.0f}")


@app.command()
def vocoder(
    preset: Preset = "tiny",
    out: Work = _DEFAULT_WORK,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
) -> None:
    """Up to the vocoder: HiFT on the answers' voice, then the flow on its codes."""
    from aqaa_eval.reference_model.training import steps
    from aqaa_eval.reference_model.training.coding import make_codes

    with _workshop(preset, out, start, keep_tokenizer) as shop:
        steps.make_vocoder(shop, make_codes(shop, steps.make_tokenizer(shop)))
    print(shop.folder)


@app.command()
def codebooks(
    preset: Preset = "tiny",
    out: Work = _DEFAULT_WORK,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
) -> None:
    """Decoders on both codebooks and on each alone, of one size and budget, for `ablate codebooks`.

    aqaa-eval train codebooks, after aqaa-eval train all with the same options
    """
    from aqaa_eval.reference_model.training import steps
    from aqaa_eval.reference_model.training.coding import make_codes
    from aqaa_eval.reference_model.training.decoders import make_stream_models

    with _workshop(preset, out, start, keep_tokenizer) as shop:
        tokenizer = steps.make_tokenizer(shop)
        codes = make_codes(shop, tokenizer)
        make_stream_models(shop, codes, tokenizer, steps.make_vocoder(shop, codes))
    print(shop.folder / "codebooks")


@app.command()
def sft(
    model: Model,
    data: Data,
    out: Trained,
    steps: Steps = 1000,
    rate: Rate = 1e-5,
    layout: Layout = "interleave_10_15",
    length: Annotated[
        int, typer.Option(help="Tokens of a block; samples are packed and do not see each other.")
    ] = 2048,
    batch: Annotated[int, typer.Option(help="Blocks in a batch of one process.")] = 4,
    precision: Precision = "no",
    seed: Seed = 0,
) -> None:
    """Supervised fine-tuning on AQTA and AQTAA rows; stage 1 and stage 2 differ in their data.

    aqaa-eval train sft --model runs/train-tiny/models/sft1 --data skills.jsonl --out runs/sft2 --steps 200

    Many GPUs: accelerate launch --config_file reference_model/training/accelerate/fsdp.yaml with this command.
    """
    from aqaa_eval.reference_model.training.own_data import OwnData, fine_tune
    from aqaa_eval.reference_model.training.stages import BatchShape

    with _clear_errors("sft"):
        plan = _plan(steps, rate, precision, seed)
        shape = BatchShape(length=length, batch_size=batch)
        job = OwnData(model=model, source=data, out=out, plan=plan, layout=layout, shape=shape)
        with TrainingProgress() as progress:
            made = fine_tune(job, watch=progress.of("sft", steps))
    print(made)


@app.command()
def dpo(
    model: Model,
    data: Data,
    out: Trained,
    steps: Steps = 100,
    rate: Rate = 1e-6,
    layout: Layout = "interleave_10_15",
    beta: Annotated[float, typer.Option(help="Price of leaving the model that it starts from.")] = 0.1,
    plain: Annotated[bool, typer.Option("--plain", help="Sum over audio tokens, too (the ablation).")] = False,
    length: Annotated[int, typer.Option(help="Longest row in tokens.")] = 2048,
    batch: Annotated[int, typer.Option(help="Pairs in a batch of one process.")] = 4,
    precision: Precision = "no",
    seed: Seed = 0,
) -> None:
    """Masked DPO on rows with `chosen` and `rejected`: audio tokens stay out of both sums.

    aqaa-eval train dpo --model runs/train-tiny/models/sft1 --data pairs.jsonl --out runs/dpo
    """
    from aqaa_eval.reference_model.training.own_data import OwnData, Preference, prefer
    from aqaa_eval.reference_model.training.stages import BatchShape

    with _clear_errors("dpo"):
        plan = _plan(steps, rate, precision, seed)
        shape = BatchShape(length=length, batch_size=batch)
        job = OwnData(model=model, source=data, out=out, plan=plan, layout=layout, shape=shape)
        with TrainingProgress() as progress:
            made = prefer(job, Preference(beta=beta, mask_audio=not plain), watch=progress.of("dpo", steps))
    print(made)


@app.command()
def merge(
    models: Annotated[list[Path], typer.Argument(help="Folders of models of one shape: SFT 1, SFT 2, DPO.")],
    out: Annotated[Path, typer.Option(help="Folder of the merged model.")],
    weights: Annotated[str, typer.Option(help="One per model; they are divided by their sum.")] = "5,5,1",
) -> None:
    """The weighted mean of checkpoints, one shard in memory at a time.

    aqaa-eval train merge runs/sft1 runs/sft2 runs/dpo --weights 5,5,1 --out runs/merged
    """
    from aqaa_eval.reference_model.training.merging import merge_checkpoints

    with _clear_errors("merge"):
        merge_checkpoints(models, out, weights=[float(value) for value in weights.split(",")])
    print(out)


@app.command()
def items(
    out: Annotated[Path, typer.Option(help="Folder; nine suites come into it.")],
    per_suite: Annotated[int, typer.Option(help="Questions of each capability.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the choice and of the questions' voices.")] = 0,
) -> None:
    """Held-out questions of the tiny domain as nine suites, to measure what training has taught.

    aqaa-eval train items --out runs/held-out, then aqaa-eval run --model reference --suite runs/held-out/gaming
    """
    from aqaa_eval.cli.training_items import write_items

    with TrainingProgress() as progress:
        told = _without_figures(progress, "items")
        folders = write_items(out, per_suite=per_suite, seed=seed, watch=told)
    for folder in folders:
        print(folder)


def _plan(steps: int, rate: float, precision: str, seed: int) -> TrainingPlan:
    from aqaa_eval.reference_model.training.loop import TrainingPlan

    n_warmup = min(100, steps // 10)
    return TrainingPlan(n_steps=steps, learning_rate=rate, n_warmup=n_warmup, precision=precision, seed=seed)


@contextmanager
def _clear_errors(verb: str) -> Iterator[None]:
    """What breaks a rule of training is wrong usage, told in one line."""
    from aqaa_eval.core.errors import UsageError

    try:
        yield
    except ValueError as error:
        raise UsageError(f"train {verb}: {error}") from error


@contextmanager
def _workshop(
    preset: str, out: Path, start: str | None = None, keep_tokenizer: bool = False, *, is_speech_only: bool = False
) -> Iterator[Workshop]:
    """The folder with its recordings made; what is made there from now on is shown."""
    from aqaa_eval.cli.training_studio import OfflineStudio, domain_pairs
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.reference_model.checkpoint import load_model
    from aqaa_eval.reference_model.training.recipe import RECIPES
    from aqaa_eval.reference_model.training.speech_store import speak_domain
    from aqaa_eval.reference_model.training.workshop import Workshop

    if preset not in RECIPES:
        raise UsageError(f"--preset {preset}: there is no such recipe; use one of {', '.join(RECIPES)}")
    recipe = RECIPES[preset]()
    with _clear_errors(f"--start {start}"):
        begun = load_model(start) if start else None
    pairs = domain_pairs(recipe)
    with TrainingProgress() as progress:
        with _clear_errors("--keep-tokenizer"):
            shop = Workshop(
                recipe=recipe, folder=out, pairs=pairs, watch=progress, start=begun, keeps_tokenizer=keep_tokenizer
            )
        if not is_speech_only:
            _hold_beginning(out, {"preset": preset, "start": start, "keep_tokenizer": keep_tokenizer})
        with _clear_errors("speak"):
            told, n_workers = _without_figures(progress, "speech"), os.cpu_count() or 1
            speak_domain(pairs, OfflineStudio(), shop.speech, n_workers=n_workers, watch=told)
        yield shop


def _without_figures(progress: TrainingProgress, stage: str) -> Callable[[int, int], None]:
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
