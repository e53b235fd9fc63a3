"""Two codebooks against one: how well the next code is foretold, and what of the speech is left in the codes.

Arms are models of one size and budget: `dual` learnt both streams, `linguistic` and `semantic` one of them. The codes
that are foretold are the same in both arms of a comparison; only what stands before them differs. A single stream is
the dual one without the codes of the other, in questions and answers.

Spoken again, a missing stream is filled with one constant code: the vocoder learnt both, and there is none for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.held_out import HeldOut, Item
from aqaa_eval.ablations.published import ARTICLE, CODEBOOKS_NOTE, PAPER
from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.protocols import Clip, Transcriber
from aqaa_eval.metrics.word_errors import count_word_errors
from aqaa_eval.reference_model.config import N_LINGUISTIC_CODES
from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.training.losses import learnt_logits
from aqaa_eval.reference_model.training.packing import lay_out
from aqaa_eval.reference_model.training.rows import write_row
from aqaa_eval.reference_model.training.streams import Streams, kept_streams
from aqaa_eval.reports.ablation import Claim, Measure, Unit

LAYOUT = "interleave_10_15"
VERSION = "1"


_TITLES = {"dual": "both codebooks", "linguistic": "linguistic alone", "semantic": "semantic alone"}

LINGUISTIC_PPL = Measure(
    key="log_ppl_linguistic",
    title="Perplexity, linguistic codes",
    note="of the next code of held-out answers, geometric mean over the items",
    unit=Unit.PERPLEXITY,
    higher_is_better=False,
    smallest=0.05,
)
SEMANTIC_PPL = Measure(
    key="log_ppl_semantic",
    title="Perplexity, semantic codes",
    note="of the next code of held-out answers, geometric mean over the items",
    unit=Unit.PERPLEXITY,
    higher_is_better=False,
    smallest=0.05,
)
RESYNTHESIS_WER = Measure(
    key="resynthesis_wer",
    title="Word error rate, spoken again",
    note="of recordings through codes and vocoder, against their words",
    unit=Unit.SHARE,
    higher_is_better=False,
    smallest=0.05,
)
SIMILARITY = Measure(
    key="speaker_similarity",
    title="Speaker similarity",
    note="cosine of the voices of a recording and of the same spoken again",
    unit=Unit.NUMBER,
    smallest=0.05,
)
MEASURES = (LINGUISTIC_PPL, SEMANTIC_PPL, RESYNTHESIS_WER, SIMILARITY)


def codebooks_design(missing: Mapping[str, str]) -> Design:
    """The design.

    Args:
        missing: arms whose weights are not there, with reasons.
    """
    arms = [streams.value for streams in Streams if streams not in missing]
    claims = tuple(
        Claim(
            says=f"Two codebooks foretell {measure.title.partition(', ')[2]} better than {single} alone",
            measure=measure.key,
            better=Streams.DUAL,
            worse=single,
            published=published,
            source=source,
        )
        for measure, single in ((LINGUISTIC_PPL, Streams.LINGUISTIC), (SEMANTIC_PPL, Streams.SEMANTIC))
        for source, published in ((PAPER.partition(":")[0], None), (ARTICLE, math.log(1 - 0.158)))
    )
    return Design(
        name="codebooks",
        title="Codebooks",
        question="does each codebook help to foretell the other, and what does each keep of the speech?",
        arms=tuple(Arm(name=name, title=_TITLES[name]) for name in arms),
        comparisons=with_claims(against_first(arms), claims),
        measures=MEASURES,
        claims=claims,
        missing=missing,
        notes=(CODEBOOKS_NOTE,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Who listens to what was spoken again; None leaves that out.

    Attributes:
        transcriber: the ear.
        voice_of: embeds the voice of a recording with norm 1.
        voice_identity: of the encoder.
    """

    transcriber: Transcriber | None = None
    voice_of: Callable[[Audio], NDArray[np.float32]] | None = None
    voice_identity: str = ""


class CodebookProbe:
    """One arm."""

    def __init__(self, model: StepAudioAQAA, streams: Streams, held_out: HeldOut, listening: Listening) -> None:
        self._model, self._streams, self._held_out, self._listening = model, streams, held_out, listening
        heard = listening.transcriber.identity if listening.transcriber else "none"
        self._identity = (
            f"codebooks@{VERSION}:{streams}:{model.fingerprint()}, {heard}, {listening.voice_identity or 'no voice'}"
        )

    @property
    def identity(self) -> str:
        """Weights, streams and ears."""
        return self._identity

    def measure(self, item: str) -> Mapping[str, float]:
        """Perplexities, and what was heard of the item spoken again.

        Raises:
            ModelError: the item cannot be written or spoken.
        """
        found = self._held_out.item(item)
        try:
            return {**self._perplexities(found), **self._spoken_again(found)}
        except ValueError as error:
            raise ModelError(str(error)) from error

    def _perplexities(self, item: Item) -> dict[str, float]:
        vocabulary = self._model.vocabulary
        row = write_row(
            item.chosen,
            parse_layout(LAYOUT),
            vocabulary=vocabulary,
            convention=self._model.config.prompt_convention,
        )
        row = kept_streams(row, self._streams, vocabulary)
        with torch.inference_mode():
            logits, wanted = learnt_logits(self._model.backbone, lay_out([[row]], len(row)))
        found = {}
        for measure, first, last in (
            (LINGUISTIC_PPL, vocabulary.first_audio_id, vocabulary.first_semantic_id),
            (SEMANTIC_PPL, vocabulary.first_semantic_id, vocabulary.size),
        ):
            is_code = (wanted >= first) & (wanted < last)
            if bool(is_code.any()):
                found[measure.key] = log_perplexity(logits[is_code], wanted[is_code])
        return found

    def _spoken_again(self, item: Item) -> dict[str, float]:
        if self._listening.transcriber is None and self._listening.voice_of is None:
            return {}
        codes = filled([code for segment in item.chosen.answer for code in segment.codes], self._streams)
        wave, rate_hz = self._model.vocoder.synthesize(codes, 0)
        spoken = from_samples(wave.numpy(), sample_rate_hz=rate_hz, name="spoken again")
        found = {}
        if self._listening.transcriber is not None:
            heard = self._listening.transcriber.transcribe([Clip(audio=spoken, language="en")])[0].text
            rate = count_word_errors(reference=item.text, hypothesis=heard, language="en").rate
            if rate is not None:
                found[RESYNTHESIS_WER.key] = rate
        if self._listening.voice_of is not None:
            found |= self._similarity(item.answer, spoken, self._listening.voice_of)
        return found

    def _similarity(
        self, original: Audio, spoken: Audio, voice_of: Callable[[Audio], NDArray[np.float32]]
    ) -> dict[str, float]:
        from aqaa_eval.core.errors import DataError

        try:
            return {SIMILARITY.key: float(voice_of(original) @ voice_of(spoken))}
        except DataError:  # nothing in it sounds like speech, so it has no voice
            return {}


def log_perplexity(logits: Tensor, wanted: Tensor) -> float:
    """Mean nats per token, by torchmetrics.

    >>> round(log_perplexity(torch.zeros(3, 4), torch.tensor([0, 1, 2])), 6) == round(math.log(4), 6)
    True
    """
    from torchmetrics.text import Perplexity

    metric = Perplexity()
    metric.update(logits.float()[None], wanted[None])
    return math.log(float(metric.compute()))


def filled(codes: list[int], streams: Streams) -> list[int]:
    """Merged codes with the first code of the codebook in the place of the stream that the arm lacks.

    >>> filled([5, 6, 1030, 1031, 1032], Streams.LINGUISTIC)
    [5, 6, 1024, 1024, 1024]
    """
    if streams is Streams.DUAL:
        return codes
    if streams is Streams.LINGUISTIC:
        return [code if code < N_LINGUISTIC_CODES else N_LINGUISTIC_CODES for code in codes]
    return [code if code >= N_LINGUISTIC_CODES else 0 for code in codes]
