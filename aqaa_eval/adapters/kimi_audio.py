"""`kimi-audio`: Moonshot's Kimi-Audio through its own package, `kimia_infer`.

That package wants CUDA, flash-attn, torchaudio and old pins: give it an environment of its own and name it with
`--python`. It also runs code that lies in the checkpoint (it loads it with trust_remote_code), one more reason to keep
it apart, and why it wants `--trust-remote-code`. Nothing of it is imported before a model is built.

It hears files only, so each question is written to a temporary WAV file that is removed with the answer. Earlier
answers go back as sound with their text, as its authors do it. Questions and answer share 120 s of audio positions
(1,500 steps of 80 ms), text included: what leaves too little room for an answer is refused here with the figures,
where the package itself would break without a word on why.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aqaa_eval.adapters.checkpoints import identity_of
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Finish, Message, Query, Response, Timing
from aqaa_eval.core.audio import Audio, encode_audio, from_samples
from aqaa_eval.core.errors import MissingWeights, ModelError, UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

REPOSITORY = "moonshotai/Kimi-Audio-7B-Instruct"
SAMPLE_RATE_HZ = 24_000
STEPS_PER_S = 12.5
BUDGET_STEPS = 1500
"""Positions that prompt and answer share when speech is asked for: 120 s at 12.5 a second."""
MARKUP_STEPS = 6
"""Positions per message beside its sound: role, begin and end of the medium and of the message (rounded up)."""
INSTALL = (
    "pip install git+https://github.com/MoonshotAI/Kimi-Audio (with its submodules), "
    "pip install flash-attn --no-build-isolation, pip install torchaudio torchdyn"
)
TRUST = "trust_remote_code"
_SETTINGS = {
    "audio_temperature": "of the speech (0.8)",
    "audio_top_k": "of the speech (10)",
    "audio_repetition_penalty": "of the speech (1.0)",
    "audio_repetition_window_size": "steps (64)",
    "text_temperature": "of the text (0: greedy)",
    "text_top_k": "of the text (5)",
    "text_repetition_penalty": "of the text (1.0)",
    "text_repetition_window_size": "steps (16)",
    TRUST: "true, or --trust-remote-code: code of the checkpoint may run",
    "audio": "false to ask for text alone (no speech decoder is loaded)",
    "min_answer_s": "room that must be left for the answer, in seconds (4)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KimiSettings:
    """How it is asked; see `_SETTINGS`. Names and values are those of `KimiAudio.generate`."""

    sampling: Mapping[str, float | int]
    audio: bool = True
    min_answer_s: float = 4.0


def read_settings(options: Mapping[str, OptionValue]) -> KimiSettings:
    """The settings of a command line, checked.

    Raises:
        UsageError: an unknown or wrong one.
    """
    refuse_unknown("kimi-audio", options, _SETTINGS)
    sampling: dict[str, float | int] = {}
    for kind, temperature, top_k, window in (("audio", 0.8, 10, 64), ("text", 0.0, 5, 16)):
        sampling[f"{kind}_temperature"] = option(options, f"{kind}_temperature", temperature)
        sampling[f"{kind}_top_k"] = option(options, f"{kind}_top_k", top_k)
        sampling[f"{kind}_repetition_penalty"] = option(options, f"{kind}_repetition_penalty", 1.0)
        sampling[f"{kind}_repetition_window_size"] = option(options, f"{kind}_repetition_window_size", window)
    for name, value in sampling.items():
        if value < 0:
            raise UsageError(f"kimi-audio: {name} must not be negative, got {value:g}")
    min_answer_s = option(options, "min_answer_s", 4.0)
    if not 0 < min_answer_s < BUDGET_STEPS / STEPS_PER_S:
        raise UsageError(f"kimi-audio: min_answer_s must be between 0 and 120, got {min_answer_s:g}")
    return KimiSettings(sampling=sampling, audio=option(options, "audio", True), min_answer_s=min_answer_s)


def build(argument: str, options: Mapping[str, OptionValue]) -> KimiAudioModel:
    """Load it by folder or by name on the hub.

    Raises:
        UsageError: an unknown or wrong setting, or a checkpoint that cannot be loaded.
        MissingWeights: `kimia_infer` or something that it needs is not in this environment.
    """
    settings = read_settings(options)
    name = argument or REPOSITORY
    if not option(options, TRUST, False):
        raise UsageError(
            f"kimi-audio runs code that lies in the checkpoint {name}; if you trust its makers, say --trust-remote-code"
        )
    try:
        package = importlib.import_module("kimia_infer.api.kimia")
    except ImportError as error:
        raise MissingWeights(
            f"kimi-audio needs its own package ({error}). In an environment of its own: {INSTALL}; then "
            "--model kimi-audio --python /path/to/that/bin/python"
        ) from error
    try:
        model = package.KimiAudio(model_path=name, load_detokenizer=settings.audio)
    except (OSError, ValueError, RuntimeError, AssertionError, ImportError) as error:
        reason = " ".join(str(error).split())[:500]
        raise UsageError(f"--model kimi-audio:{name}: cannot be loaded: {type(error).__name__}: {reason}") from error
    shown = "".join(f",{key}={value}" for key, value in sorted(options.items()) if key != TRUST)
    # Only now: if it was not here, the package itself has downloaded it.
    return KimiAudioModel(model, settings, identity=f"kimi-audio:{identity_of(name)}{shown}")


class KimiAudioModel:
    """Kimi-Audio behind the harness's interface."""

    def __init__(self, model: Any, settings: KimiSettings, *, identity: str) -> None:
        self._model, self._settings, self._identity = model, settings, identity

    @property
    def identity(self) -> str:
        """Checkpoint and settings."""
        return self._identity

    def answer(self, query: Query) -> Response:
        """Answer in text and speech.

        Raises:
            ModelError: the conversation leaves too little room for an answer, or has a turn without sound and text.
        """
        n_steps = prompt_steps(query.messages)
        n_left = BUDGET_STEPS - n_steps
        if self._settings.audio:
            self._refuse_long(n_steps)
        with tempfile.TemporaryDirectory(prefix="aqaa-kimi-", ignore_cleanup_errors=True) as name:
            chats = [_chat(message, Path(name) / f"{index:02d}.wav") for index, message in enumerate(query.messages)]
            start_s = time.perf_counter()
            wave, text = self._generate(chats, seed=query.seed)
            total_s = time.perf_counter() - start_s
        audio = _audio(wave)
        is_cut = audio is not None and audio.duration_s >= 0.99 * n_left / STEPS_PER_S
        return Response(
            audio=audio,
            text=str(text).strip(),
            timing=Timing(first_audio_s=None, total_s=total_s),
            finish=Finish.LENGTH if is_cut else Finish.STOP,
        )

    def _refuse_long(self, n_steps: int) -> None:
        left_s = max(0, BUDGET_STEPS - n_steps) / STEPS_PER_S
        n_needed = round(self._settings.min_answer_s * STEPS_PER_S)
        if n_steps + n_needed > BUDGET_STEPS:
            raise ModelError(
                f"the conversation takes about {n_steps} of the {BUDGET_STEPS} steps that it shares with the answer "
                f"(120 s at 12.5 a second), which leaves {left_s:.1f} s to speak; "
                f"{self._settings.min_answer_s:g} s are asked for (min_answer_s): shorter or fewer turns"
            )

    def _generate(self, chats: list[dict[str, Any]], *, seed: int) -> tuple[Any, Any]:
        import torch

        output_type = "both" if self._settings.audio else "text"
        with torch.random.fork_rng():  # it draws from the global generators and takes none of its own
            torch.manual_seed(seed)
            wave, text = self._model.generate(chats, output_type=output_type, **self._settings.sampling)
        return wave, text


def prompt_steps(messages: Sequence[Message]) -> int:
    """About how many positions a conversation takes: its sound, and a few per message.

    >>> prompt_steps([Message(role="user", audio=Audio.silence(duration_s=8.0))])
    106
    """
    n_sound = sum(round(message.audio.duration_s * STEPS_PER_S) for message in messages if message.audio)
    n_text = sum(len((message.text or "").split()) for message in messages if message.audio is None)
    return n_sound + n_text + MARKUP_STEPS * len(messages)


def _chat(message: Message, path: Path) -> dict[str, Any]:
    """One message as Kimi-Audio takes it."""
    has_sound = message.audio is not None and len(message.audio.samples) > 0
    if message.audio is not None and has_sound:
        path.write_bytes(encode_audio(message.audio, container="WAV"))
    if has_sound and message.role == "assistant" and message.text:
        return {"role": "assistant", "message_type": "audio-text", "content": [str(path), message.text]}
    if has_sound:
        return {"role": message.role, "message_type": "audio", "content": str(path)}
    if message.text:
        return {"role": message.role, "message_type": "text", "content": message.text}
    raise ModelError(f"a turn of the {message.role} has neither sound nor text: Kimi-Audio cannot be told of it")


def _audio(wave: Any) -> Audio | None:
    """A tensor (1, n_samples) at 24 kHz, or None."""
    if wave is None:
        return None
    samples = wave.detach().float().cpu().numpy().reshape(-1).astype(np.float32)
    return from_samples(samples, sample_rate_hz=SAMPLE_RATE_HZ, name="answer") if samples.size else None
