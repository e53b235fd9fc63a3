"""`aqaa-eval train`: the reference model from nothing, or a stage of its own on your data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from aqaa_eval.cli.training_processes import end_with
from aqaa_eval.cli.training_progress import TrainingProgress
from aqaa_eval.cli.training_recipe import (
    DEFAULT_JOBS,
    clear_errors,
    codebook_lines,
    make_models,
    without_figures,
    workshop,
)

if TYPE_CHECKING:
    from aqaa_eval.reference_model.training.loop import TrainingPlan
    from aqaa_eval.reference_model.training.own_data import OwnData

GivenT = TypeVar("GivenT")
app = typer.Typer(no_args_is_help=True, help="Train the reference model: from nothing, or one stage on your data.")

Preset = Annotated[
    str,
    typer.Option(
        help="Recipe: tiny (three hours on two cores), long (most of a day's work), further (an hour, from --start) "
        "or smoke (a minute, noise)."
    ),
]
Work = Annotated[Path, typer.Option(help="Folder for everything that is made; the same command goes on there.")]
Model = Annotated[Path | None, typer.Option(help="Model to start from: tiny, a folder, or the --out of another stage.")]
Data = Annotated[
    str | None, typer.Option(help="JSONL or parquet file, folder of a saved dataset, or a dataset of the hub.")
]
OwnPreset = Annotated[str | None, typer.Option(help="Recipe whose stage this is, in the place of --model and --data.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Batches of one step, for larger ones than fit in memory.")]
Checkpointing = Annotated[
    bool, typer.Option("--checkpointing", help="Compute activations twice, to hold those of one layer only.")
]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
Rate = Annotated[float, typer.Option(help="Highest learning rate; cosine after a warm-up.")]
Layout = Annotated[str, typer.Option(help="Of the answers: interleave_10_15, text_to_audio, audio_only or N:M.")]
Precision = Annotated[str, typer.Option(help="no (fp32), bf16, or auto: bf16 where it is quicker.")]
Trained = Annotated[Path | None, typer.Option(help="Folder; the trained model comes into its folder `model`.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the order of the data.")]
Checkpoint = Annotated[
    int | None,
    typer.Option("--checkpoint-every", min=1, help="Steps after which a stop loses nothing; a tenth of all."),
]
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
_OF_A_RECIPE = ("preset", "start", "keep_tokenizer", "out")


@app.command(name="all")
def train_all(
    preset: Preset = "tiny",
    out: Work = _DEFAULT_WORK,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
    jobs: Jobs = DEFAULT_JOBS,
) -> None:
    """From nothing to all models and what is shipped: voices, tokenizer, vocoder, SFT 1 and 2, DPO, merge.

    aqaa-eval train all --preset tiny

    The offline voices ask and answer, so it needs the extra `offline`. Stop it at any time and give it again.
    """
    from aqaa_eval.reference_model.training.shipping import ship
    from aqaa_eval.reference_model.training.steps import MERGED

    models = make_models("merge", preset, out, jobs, start=start, keep_tokenizer=keep_tokenizer)
    print(ship(models / MERGED, out / "shipped"))


@app.command()
def speak(preset: Preset = "tiny", out: Work = _DEFAULT_WORK) -> None:
    """Only the recordings: the tiny domain, asked in many voices and answered in one."""
    with workshop(preset, out, is_speech_only=True) as shop:
        pass
    print(shop.speech)


@app.command()
def tokenizer(preset: Preset = "tiny", out: Work = _DEFAULT_WORK, start: Start = None) -> None:
    """Up to the dual-codebook tokenizer, with the use of its codebooks."""
    from aqaa_eval.reference_model.training import steps
    from aqaa_eval.reference_model.training.coding import make_codes

    with workshop(preset, out, start) as shop:
        codes = make_codes(shop, steps.make_tokenizer(shop))
    print("\n".join(codebook_lines(shop, codes)))


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

    with workshop(preset, out, start, keep_tokenizer) as shop:
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

    with workshop(preset, out, start, keep_tokenizer) as shop:
        tokenizer = steps.make_tokenizer(shop)
        codes = make_codes(shop, tokenizer)
        make_stream_models(shop, codes, tokenizer, steps.make_vocoder(shop, codes))
    print(shop.folder / "codebooks")


@app.command()
def sft(
    context: typer.Context,
    model: Model = None,
    data: Data = None,
    out: Trained = None,
    preset: OwnPreset = None,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
    steps: Steps = 1000,
    rate: Rate = 1e-5,
    layout: Layout = "interleave_10_15",
    voice: Annotated[
        str | None,
        typer.Option(help="Speaks answers that have no sound: hibari, kokoro:jf_alpha, ... or a function module:name."),
    ] = None,
    length: Annotated[
        int, typer.Option(help="Tokens of a block; samples are packed and do not see each other.")
    ] = 2048,
    batch: Annotated[int, typer.Option(help="Blocks in a batch of one process.")] = 4,
    accumulate: Accumulate = 1,
    checkpointing: Checkpointing = False,
    precision: Precision = "no",
    checkpoint_every: Checkpoint = None,
    seed: Seed = 0,
) -> None:
    """Supervised fine-tuning on AQTA and AQTAA rows; stage 1 and stage 2 differ in their data.

    aqaa-eval train sft --model runs/train-tiny/models/sft1 --data skills.jsonl --out runs/sft2 --steps 200
    aqaa-eval train sft --preset tiny

    With --preset the recipe is followed up to its stages 1 and 2.
    Many GPUs: accelerate launch --config_file reference_model/training/accelerate/fsdp.yaml with this command.
    """
    from aqaa_eval.reference_model.training.own_data import fine_tune

    if _is_recipe(context, preset):
        _follow(context, preset, out, start, keep_tokenizer)
        return
    with clear_errors("sft"):
        plan = _plan(steps, rate, precision, seed, accumulate, checkpoint_every)
        job = replace(_job(model, data, out, plan, layout, (length, batch)), recompute=checkpointing)
        if voice:
            from aqaa_eval.cli.training_voice import answer_voice  # with all voices, which take a while to import

            job = replace(job, speak=answer_voice(voice))
        with TrainingProgress() as progress:
            made = fine_tune(job, watch=progress.of("sft", steps))
    end_with(made)


@app.command()
def dpo(
    context: typer.Context,
    model: Model = None,
    data: Data = None,
    out: Trained = None,
    preset: OwnPreset = None,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
    steps: Steps = 100,
    rate: Rate = 1e-6,
    layout: Layout = "interleave_10_15",
    beta: Annotated[float, typer.Option(help="Price of leaving the model that it starts from.")] = 0.1,
    plain: Annotated[bool, typer.Option("--plain", help="Sum over audio tokens, too (the ablation).")] = False,
    length: Annotated[int, typer.Option(help="Longest row in tokens.")] = 2048,
    batch: Annotated[int, typer.Option(help="Pairs in a batch of one process.")] = 4,
    accumulate: Accumulate = 1,
    checkpointing: Checkpointing = False,
    precision: Precision = "no",
    checkpoint_every: Checkpoint = None,
    seed: Seed = 0,
) -> None:
    """Masked DPO on rows with `chosen` and `rejected`: audio tokens stay out of both sums.

    aqaa-eval train dpo --model runs/train-tiny/models/sft1 --data pairs.jsonl --out runs/dpo
    aqaa-eval train dpo --preset tiny

    With --preset the recipe is followed up to its preferences, masked and plain.
    """
    from aqaa_eval.reference_model.training.own_data import Preference, prefer

    if _is_recipe(context, preset):
        _follow(context, preset, out, start, keep_tokenizer)
        return
    with clear_errors("dpo"):
        plan = _plan(steps, rate, precision, seed, accumulate, checkpoint_every)
        job = replace(_job(model, data, out, plan, layout, (length, batch)), recompute=checkpointing)
        with TrainingProgress() as progress:
            made = prefer(job, Preference(beta=beta, mask_audio=not plain), watch=progress.of("dpo", steps))
    end_with(made)


@app.command()
def merge(
    context: typer.Context,
    models: Annotated[
        list[Path] | None, typer.Argument(help="Models of one shape, as --model takes them: SFT 1, SFT 2, DPO.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the merged model.")] = None,
    weights: Annotated[str, typer.Option(help="One per model; they are divided by their sum.")] = "5,5,1",
    preset: OwnPreset = None,
    start: Start = None,
    keep_tokenizer: KeepTokenizer = False,
) -> None:
    """The weighted mean of checkpoints, one shard in memory at a time.

    aqaa-eval train merge runs/sft1 runs/sft2 runs/dpo --weights 5,5,1 --out runs/merged
    aqaa-eval train merge --preset tiny

    With --preset the recipe is followed up to its merge.
    """
    from aqaa_eval.reference_model.training.merging import merge_checkpoints

    if _is_recipe(context, preset):
        _follow(context, preset, out, start, keep_tokenizer)
        return
    with clear_errors("merge"):
        merged = _given("--out", out)
        folders = [_weights(model) for model in models or []]
        merge_checkpoints(folders, merged, weights=[float(value) for value in weights.split(",")])
    print(merged)


def _is_recipe(context: typer.Context, preset: str | None) -> bool:
    """Whether a stage is one of a recipe's, and not on data of one's own; options of the other kind are refused."""
    from aqaa_eval.core.errors import UsageError

    verb, given = context.info_name, {}
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            given[parameter.name] = (
                parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.opts[0].upper()
            )
    own = [shown for name, shown in given.items() if name not in _OF_A_RECIPE]
    if preset and own:
        raise UsageError(
            f"train {verb} --preset {preset} follows a recipe, which has models, data and numbers of its own: "
            f"leave out {', '.join(own)}"
        )
    astray = [given[name] for name in ("start", "keep_tokenizer") if name in given]
    if not preset and astray:
        raise UsageError(f"train {verb}: {', '.join(astray)} belongs to a recipe: give --preset, too, or --model")
    return preset is not None


def _follow(
    context: typer.Context, preset: str | None, out: Path | None, start: str | None, keep_tokenizer: bool
) -> None:
    """Follow a recipe up to the stage that the command is named after."""
    work = out or _DEFAULT_WORK
    print(make_models(str(context.info_name), preset or "", work, start=start, keep_tokenizer=keep_tokenizer))


def _job(
    model: Path | None, data: str | None, out: Path | None, plan: TrainingPlan, layout: str, shape: tuple[int, int]
) -> OwnData:
    from aqaa_eval.reference_model.training.own_data import OwnData
    from aqaa_eval.reference_model.training.stages import BatchShape

    length, batch = shape
    return OwnData(
        model=_weights(_given("--model", model)),
        source=_given("--data", data),
        out=_given("--out", out),
        plan=plan,
        layout=layout,
        shape=BatchShape(length=length, batch_size=batch),
    )


def _weights(model: Path) -> Path:
    """A model by its name, its folder, or the folder of the stage that made it."""
    from aqaa_eval.reference_model.checkpoint import weights_folder

    is_stage = not (model / "config.json").is_file() and (model / "model" / "config.json").is_file()
    return model / "model" if is_stage else weights_folder(model)


def _given(option: str, value: GivenT | None) -> GivenT:
    if value is None:
        raise ValueError(f"{option} is missing; give it, or --preset tiny for the recipe's own stage")
    return value


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
        told = without_figures(progress, "items")
        folders = write_items(out, per_suite=per_suite, seed=seed, watch=told)
    for folder in folders:
        print(folder)


def _plan(
    steps: int, rate: float, precision: str, seed: int, accumulate: int, checkpoint_every: int | None
) -> TrainingPlan:
    from aqaa_eval.reference_model.training.loop import TrainingPlan

    return TrainingPlan(
        n_steps=steps,
        learning_rate=rate,
        n_warmup=min(100, steps // 10),
        n_accumulated=accumulate,
        precision=precision,
        checkpoint_every=checkpoint_every or max(1, steps // 10),
        seed=seed,
    )
