"""A pipeline that answers in speech: an ear hears, a mind answers, a voice speaks.

`cascade` alone is Whisper base, SmolLM2-135M-Instruct and hibari, offline: a baseline and a test of the whole chain,
not a good model. `cascade:ASR+LLM+TTS` names the parts, an empty one is the default's: `cascade:+openai:gpt-4o-mini+`.
Two rules are worth knowing. A question without speech is answered by asking for it again. hibari speaks English only:
what is written in another script stays in the text and out of the sound, and an answer with nothing speakable has no
sound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from aqaa_eval.adapters import openai_endpoint
from aqaa_eval.adapters.cascade_ears import find_ear
from aqaa_eval.adapters.cascade_minds import SMOLLM2, MindSettings, find_mind
from aqaa_eval.adapters.cascade_parts import (
    VOICE_RATE_HZ,
    ChatLine,
    OpenEar,
    OpenMind,
    OpenVoice,
    Part,
    Piece,
    sentences,
)
from aqaa_eval.adapters.cascade_voices import find_voice
from aqaa_eval.adapters.openai_endpoint import EndpointSettings, read_endpoint
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Finish, Message, Query, Response
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights, ModelError, UsageError
from aqaa_eval.core.pieces import ResponsePiece, joined

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

__all__ = ["NOT_HEARD", "SMOLLM2", "WHISPER", "CascadeModel", "CascadeSettings", "build"]

WHISPER = "whisper:base"
DEFAULTS = (WHISPER, "smollm2", "hibari")
SYSTEM_PROMPT = "You are a helpful assistant. Keep your answers short."
NOT_HEARD = "Sorry, I did not hear anything. Could you say it again?"

_SETTINGS = {
    "max_new_tokens": "tokens of an answer at the most (40); a longer one is cut and marked as cut",
    "temperature": "0 is greedy (default); above it answers are drawn, by the seed of the turn",
    "device": "torch device of a local ear and mind (cpu)",
    "threads": "CPU threads of torch while it answers (1: two that compete with other stages are far slower)",
    "asr_url": "address of the server of an http: ear (that of the chat server)",
    **openai_endpoint.SETTINGS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSettings:
    """How it answers; see `_SETTINGS` for what each means."""

    max_new_tokens: int = 40
    temperature: float = 0.0
    device: str = "cpu"
    threads: int = 1
    names: tuple[str, str, str] = DEFAULTS
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    asr_endpoint: EndpointSettings = field(default_factory=EndpointSettings)

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UsageError(f"cascade: max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not 0 <= self.temperature <= 2:
            raise UsageError(f"cascade: temperature must be between 0 and 2, got {self.temperature:g}")
        if self.threads < 1:
            raise UsageError(f"cascade: threads must be at least 1, got {self.threads}")


def build(argument: str, options: Mapping[str, OptionValue]) -> CascadeModel:
    """Make it from `--model cascade` or `--model cascade:ASR+LLM+TTS`, and its settings.

    Raises:
        UsageError: an unknown or wrong setting, or parts that cannot be understood.
        UnknownName: no such part.
        MissingWeights: a package or a model file is not on this machine; all that is missing is listed.
    """
    refuse_unknown("cascade", options, _SETTINGS)
    endpoint = read_endpoint(options)
    settings = CascadeSettings(
        max_new_tokens=option(options, "max_new_tokens", 40),
        temperature=option(options, "temperature", 0.0),
        device=option(options, "device", "cpu"),
        threads=option(options, "threads", 1),
        names=part_names(argument),
        endpoint=endpoint,
        asr_endpoint=replace(endpoint, base_url=option(options, "asr_url", endpoint.base_url).rstrip("/")),
    )
    return CascadeModel(settings)


def part_names(argument: str) -> tuple[str, str, str]:
    """Ear, mind and voice of "ASR+LLM+TTS"; what is left empty is the default's.

    >>> part_names("faster-whisper:base+openai:gpt-4o-mini+")
    ('faster-whisper:base', 'openai:gpt-4o-mini', 'hibari')

    Raises:
        UsageError: not three parts.
    """
    if not argument:
        return DEFAULTS
    names = [name.strip() for name in argument.split("+")]
    if len(names) != 3:
        raise UsageError(
            f"cascade:{argument} names {len(names)} parts; write cascade:ASR+LLM+TTS, an empty part for the default's "
            f"({'+'.join(DEFAULTS)})"
        )
    ear, mind, voice = (name or default for name, default in zip(names, DEFAULTS, strict=True))
    return ear, mind, voice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    ear: OpenEar
    mind: OpenMind
    voice: OpenVoice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """The parts that were named, not opened yet."""

    ear: Part[OpenEar]
    mind: Part[OpenMind]
    voice: Part[OpenVoice]

    @property
    def missing(self) -> list[str]:
        return [*self.ear.missing, *self.mind.missing, *self.voice.missing]


def _choose(settings: CascadeSettings) -> _Choice:
    ear, mind, voice = settings.names
    how = MindSettings(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        device=settings.device,
        endpoint=settings.endpoint,
    )
    return _Choice(
        ear=find_ear(ear, device=settings.device, endpoint=settings.asr_endpoint),
        mind=find_mind(mind, how),
        voice=find_voice(voice),
    )


class CascadeModel:
    """Ear, mind and voice, one after the other; the voice starts with the first whole sentence."""

    def __init__(self, settings: CascadeSettings | None = None) -> None:
        """Check that everything is there; the networks are opened at the first question.

        Raises:
            MissingWeights: a package or a model file is missing; all of them are listed with their commands.
        """
        self._settings = settings or CascadeSettings()
        self._choice = _choose(self._settings)
        if self._choice.missing:
            raise MissingWeights(f"cascade needs {', '.join(self._choice.missing)}")
        self._heard_before: dict[str, str] = {}

    @cached_property
    def identity(self) -> str:
        """Each part with its version or hash, and the settings that change answers."""
        prompt = hashlib.sha256(f"{SYSTEM_PROMPT}\n{NOT_HEARD}".encode()).hexdigest()
        settings = self._settings
        parts = self._choice
        named = ",".join((parts.ear.name_it(), parts.mind.name_it(), parts.voice.name_it()))
        return (
            f"cascade({named},prompt@{prompt[:8]},max_new_tokens={settings.max_new_tokens},"
            f"temperature={settings.temperature:g},device={settings.device})"
        )

    def answer(self, query: Query) -> Response:
        """Hear the question, answer it, speak the answer.

        Raises:
            ModelError: a part broke; the message says which.
        """
        with self._threads():
            parts = self._parts  # opened before the clock starts
            answer = joined(self._spoken(query, parts))
        return replace(answer, text=(answer.text or "").strip())

    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        """The answer sentence by sentence.

        Raises:
            ModelError: as `answer`.
        """
        with self._threads():
            yield from self._spoken(query, self._parts)

    @cached_property
    def _parts(self) -> _Parts:
        """Open and warm up the networks, so that the first answer is as fast as the others."""
        choice = self._choice
        with _blamed("opening its parts"):
            parts = _Parts(ear=choice.ear.open(), mind=choice.mind.open(), voice=choice.voice.open())
            samples = parts.voice.speak("Hello there.", seed=0)
            if samples.size and choice.ear.is_local:
                parts.ear.hear(Audio(samples=samples, sample_rate_hz=VOICE_RATE_HZ))
            if choice.mind.is_local:
                next(parts.mind.answer([ChatLine(role="user", text="Hello.")], system=SYSTEM_PROMPT, seed=0))
        return parts

    def _chat(self, messages: tuple[Message, ...]) -> list[ChatLine]:
        earlier = [ChatLine(role=message.role, text=self._remember(message)) for message in messages[:-1]]
        question = messages[-1]
        if question.audio is None:
            text = question.text or ""
        else:
            # Always heard anew, whatever was heard before: the time it takes is part of the answer's latency.
            with _blamed("hearing the question"):
                text = self._parts.ear.hear(question.audio)
            self._heard_before[question.audio.content_hash] = text
        return [*earlier, ChatLine(role="user", text=text)]

    def _remember(self, message: Message) -> str:
        """The words of an earlier utterance: as written, as heard at its time, or heard now."""
        if message.text is not None or message.audio is None:
            return message.text or ""
        name = message.audio.content_hash
        if name not in self._heard_before:
            with _blamed("hearing an earlier turn"):
                self._heard_before[name] = self._parts.ear.hear(message.audio)
        return self._heard_before[name]

    def _pieces(self, chat: list[ChatLine], *, seed: int) -> Iterator[Piece]:
        if not chat[-1].text:
            yield Piece(text=NOT_HEARD, finish=Finish.STOP)
            return
        with _blamed("answering"):
            yield from self._parts.mind.answer(chat, system=SYSTEM_PROMPT, seed=seed)

    def _spoken(self, query: Query, parts: _Parts) -> Iterator[ResponsePiece]:
        written: list[Piece] = []

        def tell() -> Iterator[str]:
            for piece in self._pieces(self._chat(query.messages), seed=query.seed):
                written.append(piece)
                yield piece.text

        n_told = 0
        for sentence in sentences(tell()):
            with _blamed("speaking"):
                samples = parts.voice.speak(sentence, seed=query.seed)
            audio = Audio(samples=samples, sample_rate_hz=VOICE_RATE_HZ) if samples.size else None
            yield ResponsePiece(audio=audio, text=_text_of(written[n_told:]))
            n_told = len(written)
        yield ResponsePiece(audio=None, text=_text_of(written[n_told:]), finish=written[-1].finish or Finish.STOP)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Lend torch this model's number of threads for one answer."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self._settings.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _text_of(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@contextmanager
def _blamed(step: str) -> Iterator[None]:
    """Name the step in whatever a part raises: libraries raise anything, and a reader wants to know where."""
    try:
        yield
    except ModelError as error:
        told = str(error)
        raise type(error)(
            told if told.startswith("cascade broke") else f"cascade broke while {step}: {told}"
        ) from error
    except Exception as error:
        raise ModelError(f"cascade broke while {step}: {type(error).__name__}: {error}") from error
