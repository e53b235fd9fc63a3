"""What the Qwen-Omni models are given to read: token ids with places for sound, without their processors.

The processors of both generations cannot be made without torchvision, because of a video part that nobody needs here.
For sound alone they come down to this: log-mel features, and in the text as many placeholder tokens as the audio
encoder will give vectors. Both encoders halve the features twice; the second generation works in blocks of 100 frames.

The turns are ChatML. Earlier answers go back as the model's own text: it has no way to hear itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aqaa_eval.core.attempt import Message
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, UsageError

SAMPLE_RATE_HZ = 16_000
MIN_QUESTION_S = 0.05

SYSTEM_PROMPT_25 = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and "
    "visual inputs, as well as generating text and speech."
)
"""The one that Qwen publishes for Qwen2.5-Omni (model card, "Prompt for audio output"): the talker was trained under it
alone; with another one transformers warns, and the speech is poor."""


def n_audio_tokens_25(n_frames: int) -> int:
    """Vectors that the audio encoder of Qwen2.5-Omni makes of so many 10-ms frames.

    >>> n_audio_tokens_25(100), n_audio_tokens_25(3000)
    (25, 750)
    """
    return ((n_frames - 1) // 2 + 1 - 2) // 2 + 1


def n_audio_tokens_3(n_frames: int) -> int:
    """Vectors that the audio encoder of Qwen3-Omni makes of so many 10-ms frames: 13 per 100 frames.

    >>> n_audio_tokens_3(100), n_audio_tokens_3(3000), n_audio_tokens_3(1)
    (13, 390, 1)
    """
    whole, rest = divmod(n_frames, 100)
    for _ in range(3):
        rest = (rest - 1) // 2 + 1
    return rest + 13 * whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between the generations.

    Attributes:
        name: as on the command line.
        model_class: in transformers.
        repository: on the hub, the default.
        audio_tokens: the tokens that open, stand for and close a sound.
        system: the system prompt; "" for none.
        voice: the default one.
        codes_per_s: speech codes per second of answer.
        pad_to_window: whether features are computed on the whole window, padded with silence, as the model was trained.
        n_audio_tokens: from frames to placeholder tokens.
    """

    name: str
    model_class: str
    repository: str
    audio_tokens: tuple[str, str, str]
    system: str
    voice: str
    codes_per_s: float
    pad_to_window: bool
    n_audio_tokens: Callable[[int], int]


QWEN25 = Dialect(
    name="qwen2.5-omni",
    model_class="Qwen2_5OmniForConditionalGeneration",
    repository="Qwen/Qwen2.5-Omni-7B",
    audio_tokens=("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"),
    system=SYSTEM_PROMPT_25,
    voice="Chelsie",
    codes_per_s=50.0,
    pad_to_window=True,
    n_audio_tokens=n_audio_tokens_25,
)
QWEN3 = Dialect(
    name="qwen3-omni",
    model_class="Qwen3OmniMoeForConditionalGeneration",
    repository="Qwen/Qwen3-Omni-30B-A3B-Instruct",
    audio_tokens=("<|audio_start|>", "<|audio_pad|>", "<|audio_end|>"),
    system="",
    voice="Ethan",
    codes_per_s=12.5,
    pad_to_window=False,
    n_audio_tokens=n_audio_tokens_3,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One conversation, ready for the thinker.

    Attributes:
        ids: token ids, with placeholders for sound.
        features: log-mel features of each recording, tensors (n_mel, n_frames), in the order of their placeholders.
    """

    ids: list[int]
    features: tuple[Any, ...]


class PromptMaker:
    """Makes prompts and features with a checkpoint's own tokenizer and feature extractor."""

    def __init__(self, dialect: Dialect, *, tokenizer: Any, features: Any, system: str) -> None:
        """Check that tokenizer and dialect belong together.

        Raises:
            UsageError: a token of the chat format is not one of the tokenizer's.
        """
        self._dialect, self._tokenizer, self._features, self._system = dialect, tokenizer, features, system
        self._special = {name: self._id(name) for name in ("<|im_start|>", "<|im_end|>", *dialect.audio_tokens)}

    def _id(self, name: str) -> int:
        found = self._tokenizer.convert_tokens_to_ids(name)
        if not isinstance(found, int) or found == self._tokenizer.unk_token_id:
            raise UsageError(f"the tokenizer has no token {name}: this is no checkpoint of {self._dialect.name}")
        return found

    @property
    def audio_token_id(self) -> int:
        """The placeholder."""
        return self._special[self._dialect.audio_tokens[1]]

    @property
    def end_ids(self) -> list[int]:
        """What ends an answer."""
        end_of_text = self._tokenizer.convert_tokens_to_ids("<|endoftext|>")
        ends = [self._special["<|im_end|>"]]
        return [*ends, end_of_text] if isinstance(end_of_text, int) else ends

    @property
    def window_s(self) -> float:
        """Longest question in seconds; what is longer would be cut by the feature extractor without a word."""
        return float(self._features.n_samples / SAMPLE_RATE_HZ) if self._dialect.pad_to_window else float("inf")

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The conversation in ChatML, open for the answer.

        Raises:
            ModelError: a question is too short or too long for the audio encoder.
        """
        ids: list[int] = []
        features: list[Any] = []
        if self._system:
            ids += self._turn("system", self._text(self._system))
        for message in messages:
            if message.role == "assistant" or message.audio is None:
                ids += self._turn(message.role, self._text(message.text or ""))
            else:
                features.append(self._features_of(message.audio))
                ids += self._turn("user", self._placeholders(features[-1].shape[-1]))
        ids += [self._special["<|im_start|>"], *self._text("assistant\n")]
        return Prompt(ids=ids, features=tuple(features))

    def text_of(self, ids: Sequence[int]) -> str:
        """The words behind token ids."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _features_of(self, audio: Audio) -> Any:
        """Log-mel features of one recording, one by one: in a batch the extractor rounds their number differently."""
        if audio.duration_s < MIN_QUESTION_S:
            raise ModelError(f"a question of {audio.duration_s:.3f} s is too short to be heard ({MIN_QUESTION_S} s)")
        if audio.duration_s > self.window_s:
            raise ModelError(
                f"a question of {audio.duration_s:.0f} s is longer than the {self.window_s:.0f} s that "
                f"{self._dialect.name} hears at once"
            )
        made = self._features(
            [audio.resampled(SAMPLE_RATE_HZ).samples],
            sampling_rate=SAMPLE_RATE_HZ,
            padding="max_length" if self._dialect.pad_to_window else "longest",
            truncation=self._dialect.pad_to_window,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return made["input_features"][0, :, : int(made["attention_mask"].sum())]

    def _placeholders(self, n_frames: int) -> list[int]:
        begin, place, end = (self._special[name] for name in self._dialect.audio_tokens)
        return [begin, *[place] * self._dialect.n_audio_tokens(n_frames), end]

    def _turn(self, role: str, content: list[int]) -> list[int]:
        start, end = self._special["<|im_start|>"], self._special["<|im_end|>"]
        return [start, *self._text(f"{role}\n"), *content, end, *self._text("\n")]

    def _text(self, text: str) -> list[int]:
        # What looks like a token of the format stays mere text: an answer cannot open a turn.
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
