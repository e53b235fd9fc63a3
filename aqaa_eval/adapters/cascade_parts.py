"""What the parts of a cascade have to do, and the default ones: Whisper hears, a causal model answers, hibari speaks.

Here too: how an answer that is still being written is cut into what the voice can say already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.audio import Audio
from aqaa_eval.metrics.voice_activity import speech_s

WHISPER_RATE_HZ = 16_000
WHISPER_WINDOW_S = 30.0
VOICE_RATE_HZ = 24_000
MAX_PROMPT_TOKENS = 1024

# A full stop inside a number, or behind the number of a list item, ends nothing.
_SENTENCE_END = re.compile(r"(?<=[^\d\s][.!?])[\"')]*\s+|\n+")
_UNSPEAKABLE = re.compile(r"[^ -~À-ɏ‘’“”–—…]+")
_MARKUP = re.compile(r"[*_#`~|<>\[\]{}\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine:
    """One line of the conversation in words; role is "user" or "assistant"."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next few letters of an answer; `finish` is set on the last one only."""

    text: str
    finish: Finish | None = None


class OpenEar(Protocol):
    """An ear that is ready to hear."""

    def hear(self, audio: Audio) -> str:
        """The words of a recording; "" if there is no speech in it."""
        ...


class OpenMind(Protocol):
    """A mind that is ready to answer."""

    def answer(self, chat: Sequence[ChatLine], *, system: str, seed: int) -> Iterator[Piece]:
        """The answer to the last line, piece by piece."""
        ...


class OpenVoice(Protocol):
    """A voice that is ready to speak."""

    def speak(self, text: str, *, seed: int) -> NDArray[np.float32]:
        """Samples at `VOICE_RATE_HZ`; none if the text holds nothing that the voice can say."""
        ...


OpenT = TypeVar("OpenT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[OpenT]):
    """A part by name, not opened yet.

    Attributes:
        missing: what this machine lacks for it, each with the command that brings it.
        name_it: its identity; only asked when nothing is missing.
        open: makes it ready.
        is_local: whether it runs here, and so is faster the second time; a server is not asked for nothing.
    """

    missing: tuple[str, ...]
    name_it: Callable[[], str]
    open: Callable[[], OpenT]
    is_local: bool = True


def sentences(pieces: Iterable[str]) -> Iterator[str]:
    r"""Cut a stream of text where a speaker would breathe, as early as that is known.

    >>> list(sentences(["Hello the", "re. How are", " you", "? It is 3.5 km.\nBye"]))
    ['Hello there.', 'How are you?', 'It is 3.5 km.', 'Bye']
    """
    waiting = ""
    for piece in pieces:
        waiting += piece
        while (end := _SENTENCE_END.search(waiting)) is not None:
            whole, waiting = waiting[: end.end()].strip(), waiting[end.end() :]
            if whole:
                yield whole
    if waiting.strip():
        yield waiting.strip()


def speakable(text: str) -> str:
    """What an English voice can say of a text: markup, emoji and scripts other than Latin are left out.

    >>> speakable("**Hello**, 世界! 😀")
    'Hello, !'
    >>> speakable("你好。")
    ''
    """
    plain = " ".join(_MARKUP.sub("", _UNSPEAKABLE.sub(" ", text)).split())
    return plain if any(character.isalnum() for character in plain) else ""


class Ear:
    """Whisper behind a voice-activity gate, because it invents words on silence."""

    def __init__(self, path: Path, *, device: str) -> None:
        from aqaa_eval.core.whisper_model import load_whisper

        self._model = load_whisper(path, device=device)
        self._is_half = device != "cpu"

    def hear(self, audio: Audio) -> str:
        """The words of a recording in its own language, greedily; "" if there is no speech in it."""
        if not speech_s(audio):
            return ""
        samples = audio.resampled(WHISPER_RATE_HZ).samples
        if audio.duration_s > WHISPER_WINDOW_S:
            return self._hear_long(samples)
        import whisper

        # One pass of the encoder serves the language and the words; `transcribe` would run it twice.
        mel = whisper.log_mel_spectrogram(
            whisper.pad_or_trim(samples), n_mels=self._model.dims.n_mels, device=self._model.device
        )
        options = whisper.DecodingOptions(without_timestamps=True, fp16=self._is_half)
        return str(whisper.decode(self._model, mel.half() if self._is_half else mel, options).text).strip()

    def _hear_long(self, samples: NDArray[np.float32]) -> str:
        found = self._model.transcribe(
            samples, fp16=self._is_half, temperature=0.0, condition_on_previous_text=False, verbose=None
        )
        return str(found["text"]).strip()


class Mind:
    """A causal language model, decoded here with a key-value cache: a seed decides, and no global generator."""

    def __init__(
        self, folder: Path, *, device: str, max_new_tokens: int, temperature: float, gguf_file: str | None = None
    ) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        dtype = torch.float32 if device == "cpu" else torch.float16
        had_bar = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            given: dict[str, Any] = {"local_files_only": True} | ({"gguf_file": gguf_file} if gguf_file else {})
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **given)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **given)
        finally:
            if had_bar:
                logging.enable_progress_bar()
        self._model = model.to(device).eval()
        self._ends = _ends_of(self._tokenizer, self._model)
        self._max_new_tokens = max_new_tokens
        self._temperature = temperature

    def answer(self, chat: Sequence[ChatLine], *, system: str, seed: int) -> Iterator[Piece]:
        """Answer the last line, piece by piece; the same chat and seed give the same answer."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        written: list[int] = []
        told = ""
        cache: Any = None
        fresh = self._prompt(chat, system)
        while len(written) < self._max_new_tokens:
            with torch.inference_mode():
                output = self._model(
                    input_ids=torch.tensor([fresh], device=self._model.device), past_key_values=cache, logits_to_keep=1
                )
            cache = output.past_key_values
            token = self._choose(output.logits[0, -1].float().cpu(), generator)
            if token in self._ends:
                yield Piece(text="", finish=Finish.STOP)
                return
            written.append(token)
            fresh = [token]
            text = self._tokenizer.decode(written, skip_special_tokens=True)
            # A character of several tokens shows as U+FFFD until its last token is there.
            if not text.endswith("\ufffd"):
                yield Piece(text=text[len(told) :])
                told = text
        yield Piece(text="", finish=Finish.LENGTH)

    def _choose(self, logits: Any, generator: Any) -> int:
        import torch

        if self._temperature == 0:
            return int(logits.argmax())
        return int(torch.multinomial(torch.softmax(logits / self._temperature, dim=-1), 1, generator=generator))

    def _prompt(self, chat: Sequence[ChatLine], system: str) -> list[int]:
        """Token ids of the conversation; the oldest exchanges go first where it grows too long."""
        lines = list(chat)
        while True:
            messages = [{"role": "system", "content": system}]
            messages += [{"role": line.role, "content": line.text} for line in lines]
            encoded = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
            ids: list[int] = encoded["input_ids"]
            if len(ids) <= MAX_PROMPT_TOKENS or len(lines) <= 2:
                return ids[:1] + ids[1:][-MAX_PROMPT_TOKENS:]
            lines = lines[2:]


def _ends_of(tokenizer: Any, model: Any) -> frozenset[int]:
    """Ids that end an answer: the tokenizer's, and those that the model's own settings add (a chat model has two)."""
    told = getattr(model.generation_config, "eos_token_id", None)
    more = told if isinstance(told, list) else [told]
    return frozenset(end for end in (tokenizer.eos_token_id, *more) if end is not None)


class Voice:
    """hibari: one English voice at 24 kHz."""

    def __init__(self) -> None:
        from hibari import Hibari

        self._speak = Hibari()

    def speak(self, text: str, *, seed: int) -> NDArray[np.float32]:
        """Samples of shape (n_samples,); none if the text holds nothing that an English voice can say."""
        words = speakable(text)
        return np.asarray(self._speak(words, seed=seed) if words else [], np.float32)
