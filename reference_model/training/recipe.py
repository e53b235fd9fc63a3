"""All numbers of a training from nothing, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aqaa_eval.reference_model.config import HiftConfig, ModelConfig, tiny
from aqaa_eval.reference_model.training.loop import TrainingPlan
from aqaa_eval.reference_model.training.merging import PAPER_WEIGHTS
from aqaa_eval.reference_model.training.stages import BatchShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is made.

    Attributes:
        config: sizes of all parts.
        plans: by stage: linguistic, semantic_free, semantic, flow, hift, pitch, pretrain, sft1, sft2, dpo;
            codebooks, of which `train all` makes nothing.
        block: of the decoder's batches.
        speech_batch_s: seconds of sound in a batch of the tokenizers.
        flow_frames: mel frames in a batch of the flow.
        hift_frames: mel frames of a crop.
        hift_batch: crops in a batch.
        pitch_frames: mel frames of a crop of the pitch predictor's.
        pitch_batch: crops in a batch.
        n_answer_turns: how often an answer is heard by the vocoder for every reading.
        n_sung_turns: how often a sung one is: few songs are all that it hears of high and long notes.
        voices_per_case: voices that ask each question of the tiny domain.
        most_per_template: questions of one kind at most, about: sums alone would be half of all.
        n_dictations: rows of unrelated words that are only written down.
        n_long_dictations: longer ones, of more words and by the slow voices, too.
        n_question_takes: how often each training question is coded: as it was recorded, then varied.
        per_template: rows of stage 1 that each kind of question gets, at least about; rare kinds are repeated.
        n_trained: about how many of the training questions are used; None for all.
        n_held_out: held-out questions that are coded, to measure with.
        n_preferences: questions that are answered twice for preference optimisation.
        listen_after: layers of the decoder after which it is read what it heard, see `listening`.
        listen_weight: of that loss.
        code_noise: share of the codes of questions that are changed for neighbours, see `code_noise`.
        text_weight: of an answer's text token beside an audio token, see `ResponseLoss`.
        beta: price of leaving the reference policy.
        preference_batch: pairs in a batch.
        merge_weights: of SFT 1, SFT 2 and DPO.
        seed: of everything that is not a plan's.
    """

    config: ModelConfig
    plans: Mapping[str, TrainingPlan]
    block: BatchShape = field(default_factory=lambda: BatchShape(length=384, batch_size=6))
    speech_batch_s: float = 30.0
    flow_frames: int = 1600
    hift_frames: int = 48
    hift_batch: int = 8
    pitch_frames: int = 48
    pitch_batch: int = 24
    n_answer_turns: int = 16
    n_sung_turns: int = 60
    voices_per_case: int = 2
    most_per_template: int = 1_500
    n_dictations: int = 4_000
    n_long_dictations: int = 8_000
    n_question_takes: int = 2
    per_template: int = 900
    n_trained: int | None = None
    n_held_out: int = 150
    n_preferences: int = 160
    listen_after: int = 3
    listen_weight: float = 1.0
    code_noise: float = 0.2
    text_weight: float = 4.0
    beta: float = 0.1
    preference_batch: int = 8
    merge_weights: tuple[float, float, float] = PAPER_WEIGHTS
    seed: int = 0


def tiny_recipe() -> Recipe:
    """A model of the shipped sizes from nothing: three hours on two cores. The shipped one was trained for longer."""
    small = tiny()
    config = replace(
        small,
        temperature=0.3,  # warmer ones answer fewer training questions right, cooler ones no more
        step1=replace(small.step1, num_hidden_layers=5),
        linguistic=replace(small.linguistic, dim=128, ffn=256, blocks=6),
        semantic=replace(small.semantic, n_audio_state=128, n_audio_layer=5),
        flow=replace(
            small.flow,
            dim=128,
            ffn=256,
            channels=(128, 128),
            n_heads=4,
            head_dim=32,
            temperature=0.0,
            n_steps=4,
            guidance=2.0,  # what the mean of all ways to say it has smoothed away comes back
        ),
        hift=HiftConfig(
            filters_source=True,
            n_matches=2,
            base_channels=192,
            f0_channels=64,
            upsample_rates=(2,),
            upsample_kernels=(4,),
            n_fft=512,
            hop=128,
            resblock_kernels=(3,),
            source_resblock_kernels=(3,),
        ),
    )
    return Recipe(
        config=config,
        plans={
            "linguistic": TrainingPlan(
                n_steps=4000, learning_rate=2e-3, n_warmup=50, final_share=0.03, optimizer="muon"
            ),
            "semantic_free": TrainingPlan(
                n_steps=1500, learning_rate=2e-3, n_warmup=50, final_share=0.3, optimizer="muon"
            ),
            "semantic": TrainingPlan(n_steps=2500, learning_rate=1e-3, n_warmup=10, final_share=0.05, optimizer="muon"),
            "hift": TrainingPlan(n_steps=3000, learning_rate=1e-3, n_warmup=50, final_share=0.05),
            "pitch": TrainingPlan(n_steps=3000, learning_rate=2e-3, n_warmup=100, final_share=0.01),
            "flow": TrainingPlan(n_steps=6000, learning_rate=1e-3, n_warmup=100, final_share=0.03),
            "pretrain": TrainingPlan(
                n_steps=600, learning_rate=2e-3, n_warmup=100, final_share=0.75, optimizer="muon", precision="auto"
            ),
            "sft1": TrainingPlan(
                n_steps=6000, learning_rate=1.2e-3, n_warmup=20, final_share=0.03, optimizer="muon", precision="auto"
            ),
            "codebooks": TrainingPlan(n_steps=400, learning_rate=2e-3, n_warmup=50, optimizer="muon", precision="auto"),
            "sft2": TrainingPlan(n_steps=250, learning_rate=3e-4, n_warmup=10),
            "dpo": TrainingPlan(n_steps=60, learning_rate=2e-5, n_warmup=5),
        },
    )


def long_recipe() -> Recipe:
    """The same from nothing with as many steps as the shipped weights took in all their sittings."""
    recipe = tiny_recipe()
    steps = {
        "linguistic": 9_500,
        "semantic_free": 3_800,
        "semantic": 5_700,
        "hift": 4_000,
        "pitch": 5_000,
        "flow": 17_000,
        "pretrain": 1_000,
        "sft1": 29_000,
    }
    plans = {name: replace(recipe.plans[name], n_steps=n) for name, n in steps.items()}
    return replace(recipe, plans={**recipe.plans, **plans}, n_question_takes=4)


def further_recipe() -> Recipe:
    """A trained model of the shipped sizes taken further in an hour: half as many questions, in other voices."""
    recipe = tiny_recipe()
    shorter = {"hift": (500, 2e-4), "pitch": (1000, 1e-3), "flow": (1500, 3e-4), "sft1": (1500, 6e-4)}
    plans = {name: replace(recipe.plans[name], n_steps=n, learning_rate=rate) for name, (n, rate) in shorter.items()}
    return replace(
        recipe,
        plans={**recipe.plans, **plans},
        voices_per_case=1,
        n_dictations=1_000,
        n_long_dictations=2_000,
        n_question_takes=1,
        seed=1,
    )


def smoke_recipe() -> Recipe:
    """Every stage for a few steps: whether the whole holds together, in a minute; what comes out is noise."""
    recipe = tiny_recipe()
    plans = {name: replace(plan, n_steps=2, n_warmup=0, precision="no") for name, plan in recipe.plans.items()}
    return replace(
        recipe,
        config=tiny(),
        plans=plans,
        block=BatchShape(length=512, batch_size=2),
        speech_batch_s=8.0,
        flow_frames=300,
        hift_frames=16,
        hift_batch=2,
        pitch_batch=2,
        voices_per_case=1,
        n_dictations=12,
        n_long_dictations=12,
        n_trained=60,
        n_held_out=9,
        n_preferences=4,
        preference_batch=2,
    )


FURTHER = "further"
RECIPES = {"tiny": tiny_recipe, "long": long_recipe, FURTHER: further_recipe, "smoke": smoke_recipe}
