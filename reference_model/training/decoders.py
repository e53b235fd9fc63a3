"""Decoders beside a tokenizer and a vocoder that do not change any more: trained by stages, saved as whole models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.checkpoint import save_model
from aqaa_eval.reference_model.model import StepAudioAQAA, random_backbone
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.code_embeddings import place_codes_by_sound
from aqaa_eval.reference_model.training.code_noise import CodeNoise
from aqaa_eval.reference_model.training.lessons import Codes, Lessons
from aqaa_eval.reference_model.training.listening import ListeningLoss
from aqaa_eval.reference_model.training.rows import PreferenceRow, TrainingRow
from aqaa_eval.reference_model.training.stages import dpo_stage, sft_stage
from aqaa_eval.reference_model.training.streams import Streams, kept_streams
from aqaa_eval.reference_model.training.workshop import Workshop
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder


def lessons_of(shop: Workshop, codes: Codes, vocabulary: Vocabulary) -> Lessons:
    """What the decoders of a workshop learn."""
    recipe = shop.recipe
    return Lessons(
        pairs=shop.trained_pairs,
        dictated=shop.dictated_pairs,
        codes=codes,
        vocabulary=vocabulary,
        convention=recipe.config.prompt_convention,
        max_length=recipe.block.length,
        n_question_takes=recipe.n_question_takes,
        per_template=recipe.per_template,
    )


def make_stream_models(shop: Workshop, codes: Codes, tokenizer: DualTokenizer, vocoder: Vocoder) -> None:
    """Train decoders of one size and budget on both streams of codes and on each alone, for `ablate codebooks`.

    Each begins from nothing, with the same seed, and learns the same questions and answers in the same number of steps
    and tokens.

    Args:
        shop: where; models come into its folder `codebooks`.
        codes: of all recordings.
        tokenizer: of every model.
        vocoder: of every model.
    """
    vocabulary = Vocabulary.tiny()
    rows = lessons_of(shop, codes, vocabulary).answers()
    decoder = DecoderStages(shop, tokenizer, lambda: vocoder, vocabulary)
    for streams in Streams:
        folder = shop.folder / "codebooks" / streams
        if folder.is_dir():
            continue
        backbone = random_backbone(shop.recipe.config, shop.recipe.seed).train()
        place_codes_by_sound(backbone, tokenizer, vocabulary)
        kept = [kept_streams(row, streams, vocabulary) for row in rows]
        backbone.separate_projections()
        stage = sft_stage(f"codebooks_{streams}", backbone, kept, shop.recipe.block, seed=shop.recipe.seed)
        shop.run_stage(stage, "codebooks")
        save_model(decoder.model(backbone), folder)


@dataclass(frozen=True)
class DecoderStages:
    """The decoder between tokenizer and vocoder that do not change any more; the vocoder is needed only to save."""

    shop: Workshop
    tokenizer: DualTokenizer
    vocoder: Callable[[], Vocoder]
    vocabulary: Vocabulary

    def learn(self, name: str, backbone: Step1ForCausalLM, rows: Sequence[TrainingRow]) -> None:
        """Train on answers, in the stage of this name."""
        recipe = self.shop.recipe
        backbone.separate_projections()  # answering has joined them
        listening = ListeningLoss(
            self.vocabulary.first_audio_id,
            after_layer=recipe.listen_after,
            weight=recipe.listen_weight,
            text_weight=recipe.text_weight,
        )
        noise = CodeNoise(self.tokenizer, self.vocabulary, recipe.code_noise)
        stage = sft_stage(name, backbone, rows, recipe.block, seed=recipe.seed, listening=listening, vary=noise)
        self.shop.run_stage(stage, name)

    def prefer(self, name: str, backbone: Step1ForCausalLM, pairs: Sequence[PreferenceRow]) -> None:
        """Train on preferences."""
        recipe = self.shop.recipe
        backbone.separate_projections()
        stage = dpo_stage(name, backbone, pairs, beta=recipe.beta, batch_size=recipe.preference_batch, seed=recipe.seed)
        self.shop.run_stage(stage, "dpo")

    def save(self, name: str, backbone: Step1ForCausalLM) -> None:
        """Write the whole model."""
        save_model(self.model(backbone), self.shop.models / name)

    def model(self, backbone: Step1ForCausalLM) -> StepAudioAQAA:
        """The whole model."""
        return StepAudioAQAA(
            self.shop.recipe.config,
            backbone=backbone,
            tokenizer=self.tokenizer,
            vocoder=self.vocoder(),
            vocabulary=self.vocabulary,
        )
