"""A model that really answers in speech, offline: Whisper base hears, SmolLM2-135M-Instruct answers, hibari speaks.

It is a baseline and a test of the whole chain, not a good model: 135 million parameters know little. Two rules are
worth knowing. A question without speech is answered by asking for it again. The voice speaks English only: what is
written in another script stays in the text and out of the sound, and an answer with nothing speakable has no sound.
"""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np

from aqaa_eval.adapters.cascade_parts import VOICE_RATE_HZ, ChatLine, Ear, Mind, Piece, Voice, sentences
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Finish, Message, Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights, ModelError, UsageError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.core.weights import is_present, locate, weights_hash

WHISPER, SMOLLM2 = "whisper:base", "smollm2:135m-instruct"
SYSTEM_PROMPT = "You are a helpful assistant. Keep your answers short."
NOT_HEARD = "Sorry, I did not hear anything. Could you say it again?"

_SETTINGS = {
    "max_new_tokens": "tokens of an answer at the most (40); a longer one is cut and marked as cut",
    "temperature": "0 is greedy (default); above it answers are drawn, by the seed of the turn",
    "device": "torch device of Whisper and SmolLM2 (cpu)",
    "threads": "CPU threads of torch while it answers (1: two that compete with other stages are far slower)",
}
_PACKAGES = {
    "whisper": "pip install --no-deps openai-whisper",
    "transformers": "pip install transformers",
    "hibari": "pip install 'aqaa-eval[offline]'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSettings:
    """How it answers; see `_SETTINGS` for what each means."""

    max_new_tokens: int = 40
    temperature: float = 0.0
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UsageError(f"cascade: max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not 0 <= self.temperature <= 2:
            raise UsageError(f"cascade: temperature must be between 0 and 2, got {self.temperature:g}")
        if self.threads < 1:
            raise UsageError(f"cascade: threads must be at least 1, got {self.threads}")


def build(argument: str, options: Mapping[str, OptionValue]) -> CascadeModel:
    """Make it from `--model cascade` and its settings.

    Raises:
        UsageError: an unknown or wrong setting.
        MissingWeights: a package or a model file is not on this machine; all that is missing is listed.
    """
    if argument:
        raise UsageError(f"cascade takes no argument, got {argument!r}; settings are {', '.join(_SETTINGS)}")
    refuse_unknown("cascade", options, _SETTINGS)
    settings = CascadeSettings(
        max_new_tokens=option(options, "max_new_tokens", 40),
        temperature=option(options, "temperature", 0.0),
        device=option(options, "device", "cpu"),
        threads=option(options, "threads", 1),
    )
    return CascadeModel(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    ear: Ear
    mind: Mind
    voice: Voice


class CascadeModel:
    """Ear, mind and voice, one after the other; the voice starts with the first whole sentence."""

    def __init__(self, settings: CascadeSettings | None = None) -> None:
        """Check that everything is there; the networks are opened at the first question.

        Raises:
            MissingWeights: a package or a model file is missing; all of them are listed with their commands.
        """
        missing = [f"{name} ({remedy})" for name, remedy in _PACKAGES.items() if importlib.util.find_spec(name) is None]
        missing += [f"{name} (aqaa-eval fetch {name})" for name in (WHISPER, SMOLLM2) if not is_present(name)]
        if missing:
            raise MissingWeights(f"cascade needs {', '.join(missing)}")
        self._settings = settings or CascadeSettings()
        self._heard_before: dict[str, str] = {}

    @cached_property
    def identity(self) -> str:
        """Each part with its version or hash, and the settings that change answers."""
        prompt = hashlib.sha256(f"{SYSTEM_PROMPT}\n{NOT_HEARD}".encode()).hexdigest()
        settings = self._settings
        return (
            f"cascade({WHISPER}@{weights_hash(WHISPER)[:8]},{SMOLLM2}@{weights_hash(SMOLLM2)[:8]},"
            f"hibari-tts@{version('hibari-tts')},prompt@{prompt[:8]},max_new_tokens={settings.max_new_tokens},"
            f"temperature={settings.temperature:g},device={settings.device})"
        )

    def answer(self, query: Query) -> Response:
        """Hear the question, answer it, speak the answer.

        Raises:
            ModelError: a part broke; the message says which.
        """
        with self._threads():
            parts = self._parts
            start = time.perf_counter()
            chat = self._chat(query.messages)
            pieces = self._pieces(chat, seed=query.seed)
            return self._speak(pieces, parts.voice, seed=query.seed, start=start)

    @cached_property
    def _parts(self) -> _Parts:
        """Open and warm up the networks, so that the first answer is as fast as the others."""
        settings = self._settings
        with _blamed("opening its parts"):
            mind = Mind(
                locate(SMOLLM2),
                device=settings.device,
                max_new_tokens=settings.max_new_tokens,
                temperature=settings.temperature,
            )
            parts = _Parts(ear=Ear(locate(WHISPER), device=settings.device), mind=mind, voice=Voice())
            spoken = Audio(samples=parts.voice.speak("Hello there.", seed=0), sample_rate_hz=VOICE_RATE_HZ)
            parts.ear.hear(spoken)
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

    def _speak(self, pieces: Iterator[Piece], voice: Voice, *, seed: int, start: float) -> Response:
        written: list[Piece] = []

        def tell() -> Iterator[str]:
            for piece in pieces:
                written.append(piece)
                yield piece.text

        sound: list[np.ndarray] = []
        first_audio_s = None
        for sentence in sentences(tell()):
            with _blamed("speaking"):
                samples = voice.speak(sentence, seed=seed)
            if samples.size:
                sound.append(samples)
                first_audio_s = first_audio_s or time.perf_counter() - start
        audio = Audio(samples=np.concatenate(sound), sample_rate_hz=VOICE_RATE_HZ) if sound else None
        return Response(
            audio=audio,
            text="".join(piece.text for piece in written).strip(),
            timing=Timing(first_audio_s=first_audio_s, total_s=time.perf_counter() - start),
            finish=written[-1].finish or Finish.STOP,
        )

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


@contextmanager
def _blamed(step: str) -> Iterator[None]:
    """Name the step in whatever a part raises: libraries raise anything, and a reader wants to know where."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"cascade broke while {step}: {type(error).__name__}: {error}") from error
