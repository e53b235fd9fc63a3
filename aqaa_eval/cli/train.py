"""`aqaa-eval train`: the reference model from nothing, or a stage of its own on your data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aqaa_eval.reference_model.training.steps import Workshop

app = typer.Typer(no_args_is_help=True, help="Train the reference model: from nothing, or one stage on your data.")

Preset = Annotated[str, typer.Option(help="Recipe: tiny (hours on two cores) or smoke (a minute, noise comes out).")]
Work = Annotated[Path, typer.Option(help="Folder for everything that is made; the same command goes on there.")]
_DEFAULT_WORK = Path("runs/train-tiny")


@app.command(name="all")
def train_all(preset: Preset = "tiny", out: Work = _DEFAULT_WORK) -> None:
    """From nothing to the models of every stage: voices, tokenizer, vocoder, SFT 1 and 2, DPO, merge.

    aqaa-eval train all --preset tiny

    The offline voices ask and answer, so it needs the extra `offline`. Stop it at any time and give it again.
    """
    from aqaa_eval.cli.training_judge import OwnWordsJudge
    from aqaa_eval.reference_model.training import steps

    shop = _workshop(preset, out)
    tokenizer = steps.make_tokenizer(shop)
    codes = steps.make_codes(shop, tokenizer)
    vocoder = steps.make_vocoder(shop, codes)
    merged = steps.make_models(shop, codes, (tokenizer, vocoder), OwnWordsJudge())
    print(merged)


@app.command()
def speak(preset: Preset = "tiny", out: Work = _DEFAULT_WORK) -> None:
    """Only the recordings: the tiny domain, asked in many voices and answered in one."""
    print(_workshop(preset, out).speech)


@app.command()
def tokenizer(preset: Preset = "tiny", out: Work = _DEFAULT_WORK) -> None:
    """Up to the dual-codebook tokenizer, with the use of its codebooks."""
    from aqaa_eval.reference_model.training import steps

    shop = _workshop(preset, out)
    codes = steps.make_codes(shop, steps.make_tokenizer(shop))
    for name, use in steps.uses_of_codebooks(shop, codes).items():
        print(f"{name}: {use.n_used} of {use.n_codes} codes used, perplexity {use.perplexity:.0f}")


@app.command()
def vocoder(preset: Preset = "tiny", out: Work = _DEFAULT_WORK) -> None:
    """Up to the vocoder: HiFT on the answers' voice, then the flow on its codes."""
    from aqaa_eval.reference_model.training import steps

    shop = _workshop(preset, out)
    steps.make_vocoder(shop, steps.make_codes(shop, steps.make_tokenizer(shop)))
    print(shop.folder)


@app.command()
def merge(
    models: Annotated[list[Path], typer.Argument(help="Folders of models of one shape: SFT 1, SFT 2, DPO.")],
    out: Annotated[Path, typer.Option(help="Folder of the merged model.")],
    weights: Annotated[str, typer.Option(help="One per model; they are divided by their sum.")] = "5,5,1",
) -> None:
    """The weighted mean of checkpoints, one shard in memory at a time.

    aqaa-eval train merge runs/sft1 runs/sft2 runs/dpo --weights 5,5,1 --out runs/merged
    """
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.reference_model.tokenizer.errors import WeightsError
    from aqaa_eval.reference_model.training.merging import merge_checkpoints

    try:
        merge_checkpoints(models, out, weights=[float(value) for value in weights.split(",")])
    except (WeightsError, ValueError) as error:
        raise UsageError(f"train merge: {error}") from error
    print(out)


def _workshop(preset: str, out: Path) -> Workshop:
    """The folder with its recordings made."""
    from aqaa_eval.cli.training_studio import OfflineStudio, domain_pairs
    from aqaa_eval.core.errors import UsageError
    from aqaa_eval.reference_model.training.recipe import RECIPES
    from aqaa_eval.reference_model.training.speech_store import speak_domain
    from aqaa_eval.reference_model.training.steps import Workshop

    if preset not in RECIPES:
        raise UsageError(f"--preset {preset}: there is no such recipe; use one of {', '.join(RECIPES)}")
    recipe = RECIPES[preset]()
    told = _Told()
    pairs = domain_pairs(recipe)
    shop = Workshop(recipe=recipe, folder=out, pairs=pairs, watch=told)
    speak_domain(pairs, OfflineStudio(), shop.speech, watch=lambda done, n: told("speech", done, n, {}))
    return shop


class _Told:
    """A line at every hundredth of a stage."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        share = 100 * done // max(1, total)
        if self._last.get(stage) == share:
            return
        self._last[stage] = share
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if name not in ("rate", "count"))
        print(f"{stage} {share:3d} % ({done} of {total}) {shown}", file=sys.stderr, flush=True)
