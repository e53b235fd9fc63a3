"""Step-Audio-AQAA whole: a spoken conversation in, text and speech out.

recordings -> DualTokenizer -> prompt -> Step1ForCausalLM -> text ids, audio codes -> Vocoder -> 24 kHz
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import TINY_FIRST_AUDIO_ID, ModelConfig
from aqaa_eval.reference_model.conversation import Utterance, shortest_prompt, write_prompt
from aqaa_eval.reference_model.generate import Generated, Request, TokenBlock, generate, stream
from aqaa_eval.reference_model.layout import Layout, parse_answer, parse_layout
from aqaa_eval.reference_model.sampling import Sampling, chat_sampling, tts_sampling
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.tokenizer.merge import repair
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.take import Speaker
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

FREE = "free"  # no layout: for weights that use no markers; codes are repaired instead of constrained


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswerOptions:
    """How to answer.

    Attributes:
        layout: output layout; None for the first that the weights were trained for. "free" constrains nothing.
        seed: fixes the tokens and the vocoder's noise.
        sampling: how tokens are drawn; None for the published settings of the prompt convention.
        speaker: reference voice; None for the vocoder's own.
        sample_rate_hz: of the answer.
        allow_untrained_layout: whether a layout that the weights never saw may be tried.
    """

    layout: str | None = None
    seed: int = 0
    sampling: Sampling | None = None
    speaker: Speaker | None = None
    sample_rate_hz: int = 24_000
    allow_untrained_layout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpokenAnswer:
    """An answer in text and speech.

    Attributes:
        text: what the model wrote; empty under audio_only.
        audio: float32, [n], full scale 1.
        sample_rate_hz: its sample rate.
        ids: the answer's tokens, to be given back as history.
        finish: "stop" or "length".
    """

    text: str
    audio: NDArray[np.float32]
    sample_rate_hz: int
    ids: tuple[int, ...]
    finish: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswerChunk:
    """A piece of an answer while it is being made.

    Attributes:
        text: what was written since the chunk before.
        audio: float32, [n > 0].
        sample_rate_hz: its sample rate.
        elapsed_s: seconds from the call to this chunk; that of the first is the time to first audio.
        finish: "stop" or "length" once the last token is decoded, so always in the last chunk; None before.
    """

    text: str
    audio: NDArray[np.float32]
    sample_rate_hz: int
    elapsed_s: float
    finish: str | None


class StepAudioAQAA:
    """The three modules and their vocabulary.

    Raises:
        ValueError: the vocabulary and the configuration disagree.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        backbone: Step1ForCausalLM,
        tokenizer: DualTokenizer,
        vocoder: Vocoder,
        vocabulary: Vocabulary,
    ) -> None:
        if (vocabulary.first_audio_id, vocabulary.size) != (config.first_audio_id, config.step1.vocab_size):
            raise ValueError(
                f"the vocabulary has {vocabulary.size} ids with audio from {vocabulary.first_audio_id}, the "
                f"configuration {config.step1.vocab_size} from {config.first_audio_id}: they belong to two models"
            )
        self.config = config
        self.backbone = backbone.eval()
        self.tokenizer = tokenizer.eval()
        self.vocoder = vocoder
        self.vocabulary = vocabulary

    def to(self, device: torch.device | str) -> StepAudioAQAA:
        """Moves every part; returns itself."""
        for part in (self.backbone, self.tokenizer, self.vocoder.flow, self.vocoder.hift):
            part.to(device)
        return self

    def fingerprint(self) -> str:
        """Identifies sizes, vocabulary and weights: a hash over at most 4,096 evenly spaced numbers of each tensor."""
        digest = hashlib.sha256(repr(self.config).encode() + self.vocabulary.model_bytes)
        for part in (self.backbone, self.tokenizer, self.vocoder.flow, self.vocoder.hift):
            for name, tensor in part.state_dict().items():
                numbers = tensor.flatten()[:: max(1, tensor.numel() // 4096)]
                digest.update(name.encode() + numbers.double().cpu().numpy().tobytes())
        return digest.hexdigest()[:12]

    def answer(self, conversation: Sequence[Utterance], options: AnswerOptions | None = None) -> SpokenAnswer:
        """Answers the last utterance of a conversation.

        Raises:
            ValueError: the conversation or the options break a rule; where no recording need be heard to know, nothing
                was computed.
        """
        return self.answer_batch([conversation], [options or AnswerOptions()])[0]

    def answer_batch(
        self, conversations: Sequence[Sequence[Utterance]], options: Sequence[AnswerOptions]
    ) -> list[SpokenAnswer]:
        """Answers several conversations in one batch; their options may differ in seed and speaker only.

        A row's answer is the same in any batch.
        """
        shared = {(o.layout, o.sampling, o.sample_rate_hz, o.allow_untrained_layout) for o in options}
        if len(shared) != 1 or len(conversations) != len(options):
            raise ValueError(
                f"{len(conversations)} conversations need as many options, equal but for seed and speaker; "
                f"got {len(options)} of {len(shared)} kinds"
            )
        request = self._request(conversations, options)
        answers = generate(self.backbone, self.vocabulary, request)
        return [self._speak(a, request.layout, o) for a, o in zip(answers, options, strict=True)]

    def stream(
        self,
        conversation: Sequence[Utterance],
        options: AnswerOptions | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> Iterator[AnswerChunk]:
        """Answers while decoding: speech comes as soon as the vocoder has enough codes.

        Args:
            conversation: as for `answer`.
            options: as for `answer`, but not the layout "free".
            clock: gives seconds; read at the call and at every chunk.

        Yields:
            Chunks; joined they are what `answer` gives, but for the vocoder's joins.

        Raises:
            ValueError: as `answer`, at the call.
        """
        start_s = clock()
        options = options or AnswerOptions()
        request = self._request([conversation], [options])
        blocks = stream(self.backbone, self.vocabulary, request)
        return self._chunks(blocks, options, lambda: clock() - start_s)

    def _request(self, conversations: Sequence[Sequence[Utterance]], options: Sequence[AnswerOptions]) -> Request:
        layout = self._layout(options[0])
        sampling = options[0].sampling or self.published_sampling()
        for conversation in conversations:
            self._check_length(conversation, sampling)
        prompts = [
            write_prompt(
                conversation,
                tokenizer=self.tokenizer,
                vocabulary=self.vocabulary,
                convention=self.config.prompt_convention,
            )
            for conversation in conversations
        ]
        return Request(
            prompts=tuple(tuple(prompt) for prompt in prompts),
            seeds=tuple(o.seed for o in options),
            layout=layout,
            sampling=sampling,
        )

    def published_sampling(self) -> Sampling:
        """The settings that the family published for this prompt convention, within this model's own limits.

        A model of its own temperature has that one: what suits 130 billion parameters makes a tiny one ramble.
        """
        sampling = tts_sampling() if self.config.prompt_convention == "tts" else chat_sampling()
        limit = self.config.max_new_tokens or sampling.max_new_tokens
        if self.config.temperature is not None:
            sampling = replace(sampling, temperature=self.config.temperature)
        # A small max_seq_len leaves half of itself to the answer.
        return replace(sampling, max_new_tokens=min(limit, self.config.step1.max_seq_len // 2))

    def _layout(self, options: AnswerOptions) -> Layout | None:
        if options.layout == FREE:
            return None
        layout = parse_layout(options.layout or self._preferred_layout())
        if layout.name not in self.config.layouts and not options.allow_untrained_layout:
            raise ValueError(
                f"layout {layout.name} is not among those that the weights were trained for "
                f"({', '.join(self.config.layouts)}): choose one, or set allow_untrained_layout"
            )
        return layout

    def _preferred_layout(self) -> str:
        paper = "interleave_10_15"
        return paper if paper in self.config.layouts else self.config.layouts[0]

    def _check_length(self, conversation: Sequence[Utterance], sampling: Sampling) -> None:
        if not conversation or conversation[-1].role != "human":
            raise ValueError("a conversation must end with an utterance of the human: that is what is answered")
        total = shortest_prompt(conversation) + sampling.max_new_tokens
        if total > self.config.step1.max_seq_len:
            raise ValueError(
                f"the conversation and max_new_tokens ({sampling.max_new_tokens}) come to at least {total} tokens, "
                f"max_seq_len is {self.config.step1.max_seq_len}: drop or transcribe earlier turns"
            )

    def _speak(self, answer: Generated, layout: Layout | None, options: AnswerOptions) -> SpokenAnswer:
        if layout is None:
            codes = repair(self.vocabulary.audio_codes(answer.ids)).codes
        else:
            codes = parse_answer(answer.ids, layout, self.vocabulary).codes
        audio = np.zeros(0, np.float32)
        if codes:
            wave, rate_hz = self.vocoder.synthesize(codes, options.seed, options.speaker)
            audio = soxr.resample(wave.numpy(), rate_hz, options.sample_rate_hz)
        return SpokenAnswer(
            text=self.vocabulary.decode(answer.ids).strip(),
            audio=audio,
            sample_rate_hz=options.sample_rate_hz,
            ids=answer.ids,
            finish=answer.finish,
        )

    def _chunks(
        self, blocks: Iterator[TokenBlock], options: AnswerOptions, elapsed_s: Callable[[], float]
    ) -> Iterator[AnswerChunk]:
        text_ids: list[int] = []
        finish: str | None = None

        def code_blocks() -> Iterator[list[int]]:
            nonlocal finish
            for block in blocks:
                text_ids.extend(block.text_ids)
                finish = block.finish
                if block.codes:
                    yield list(block.codes)

        resampler = soxr.ResampleStream(self.vocoder.sample_rate_hz, options.sample_rate_hz, 1, dtype="float32")
        said = ""
        for samples in _resampled(self.vocoder.stream(code_blocks(), options.seed, options.speaker), resampler):
            text = self.vocabulary.decode(text_ids).lstrip()
            yield AnswerChunk(
                text=text[len(said) :],
                audio=samples,
                sample_rate_hz=options.sample_rate_hz,
                elapsed_s=elapsed_s(),
                finish=finish,
            )
            said = text


def _resampled(pieces: Iterator[Tensor], resampler: soxr.ResampleStream) -> Iterator[NDArray[np.float32]]:
    for piece in pieces:
        if len(samples := resampler.resample_chunk(piece.numpy())):
            yield samples
    if len(samples := resampler.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield samples


def random_model(config: ModelConfig, seed: int, vocabulary: Vocabulary | None = None) -> StepAudioAQAA:
    """Builds a model with random weights: noise out, the same for the same seed.

    Args:
        config: its sizes.
        seed: fixes every weight.
        vocabulary: by default the bundled small one, which fits only `tiny()` and its variants.

    Raises:
        ValueError: a vocabulary is needed: the published file is not bundled.
    """
    if vocabulary is None:
        if config.first_audio_id != TINY_FIRST_AUDIO_ID:
            raise ValueError(
                "the bundled vocabulary fits tiny() only: pass Vocabulary.from_file('.../tokenizer.model')"
            )
        vocabulary = Vocabulary.tiny()
    return StepAudioAQAA(
        config,
        backbone=random_backbone(config, seed),
        tokenizer=DualTokenizer.random(config, seed),
        vocoder=Vocoder.random(config.flow, config.hift, seed),
        vocabulary=vocabulary,
    )


def random_backbone(config: ModelConfig, seed: int) -> Step1ForCausalLM:
    """Builds a decoder with matrices of standard deviation 0.02 and unit norms, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        backbone = Step1ForCausalLM(config.step1)
    backbone.to_empty(device="cpu")
    backbone.tie_head()
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
    return backbone.eval()
