"""Ears of a cascade, by name: Whisper in two runtimes, or any server with OpenAI's transcriptions."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from aqaa_eval.adapters.cascade_parts import WHISPER_RATE_HZ, Ear, OpenEar, Part
from aqaa_eval.adapters.openai_client import Client
from aqaa_eval.adapters.openai_endpoint import EndpointSettings
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.weights import is_present, locate, weights_hash
from aqaa_eval.metrics.voice_activity import speech_s

EARS = ("whisper", "faster-whisper", "http")


def find_ear(name: str, *, device: str, endpoint: EndpointSettings) -> Part[OpenEar]:
    """The ear of that name.

    Raises:
        UnknownName: there is none; the message suggests one.
        UsageError: a path that does not exist, or a server without a model's name.
    """
    head, _, argument = name.partition(":")
    if head == "whisper":
        return _whisper(argument or "base", device)
    if head == "faster-whisper":
        return _faster_whisper(argument or "base", device)
    if head == "http":
        if not argument:
            raise UsageError("cascade: which model of the transcriptions server? Write http:MODEL")
        name_it = f"http:{argument}({endpoint.base_url})"
        client = Client(endpoint)  # now, so that a missing key is told before the run
        return Part(missing=(), name_it=lambda: name_it, open=lambda: HttpEar(argument, client), is_local=False)
    raise UnknownName("ear", head, EARS)


def _whisper(argument: str, device: str) -> Part[OpenEar]:
    lacking = () if importlib.util.find_spec("whisper") else ("whisper (pip install --no-deps openai-whisper)",)
    if _is_path(argument):
        path = _existing(Path(argument), "whisper")
        return Part(
            missing=lacking,
            name_it=lambda: f"whisper:{path.stem}@{hash_of_files([path])}",
            open=lambda: Ear(path, device=device),
        )
    name = f"whisper:{argument}"
    return Part(
        missing=(*lacking, *_unfetched(name)),
        name_it=lambda: f"{name}@{weights_hash(name)[:8]}",
        open=lambda: Ear(locate(name), device=device),
    )


def _faster_whisper(argument: str, device: str) -> Part[OpenEar]:
    lacking = () if importlib.util.find_spec("faster_whisper") else ("faster_whisper (pip install faster-whisper)",)
    if _is_path(argument):
        folder = _existing(Path(argument), "faster-whisper")
        files = sorted(path for path in folder.iterdir() if path.is_file())
        return Part(
            missing=lacking,
            name_it=lambda: f"faster-whisper:{folder.name}@{hash_of_files(files)}",
            open=lambda: FasterEar(folder, device=device),
        )
    name = f"faster-whisper:{argument}"
    return Part(
        missing=(*lacking, *_unfetched(name)),
        name_it=lambda: f"{name}@{weights_hash(name)[:8]}",
        open=lambda: FasterEar(locate(name), device=device),
    )


def _is_path(argument: str) -> bool:
    return "/" in argument or argument.endswith(".pt")


def _existing(path: Path, kind: str) -> Path:
    if not path.exists():
        raise UsageError(f"cascade: {kind}:{path}: no such file or folder")
    return path


def _unfetched(name: str) -> tuple[str, ...]:
    return () if is_present(name) else (f"{name} (aqaa-eval fetch {name})",)


def hash_of_files(paths: list[Path]) -> str:
    """Eight hex digits over names, sizes, and the first and last MiB of files: weights are too large to read whole."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name}:{size};".encode())
        with path.open("rb") as file:
            digest.update(file.read(2**20))
            if size > 2**20:
                file.seek(-(2**20), 2)
                digest.update(file.read())
    return digest.hexdigest()[:8]


class FasterEar:
    """faster-whisper behind the same voice-activity gate as Whisper."""

    def __init__(self, folder: Path, *, device: str) -> None:
        from faster_whisper import WhisperModel

        arithmetic = "int8" if device == "cpu" else "float16"
        self._model = WhisperModel(str(folder), device=device.partition(":")[0], compute_type=arithmetic)

    def hear(self, audio: Audio) -> str:
        """The words of a recording in its own language; "" if there is no speech in it."""
        if not speech_s(audio):
            return ""
        samples = audio.resampled(WHISPER_RATE_HZ).samples
        segments, _ = self._model.transcribe(
            samples, beam_size=1, temperature=0.0, condition_on_previous_text=False, without_timestamps=True
        )
        return "".join(segment.text for segment in segments).strip()


class HttpEar:
    """A server with OpenAI's `/audio/transcriptions`."""

    def __init__(self, model: str, client: Client) -> None:
        self._model = model
        self._client = client

    def hear(self, audio: Audio) -> str:
        """The words of a recording; "" if there is no speech in it, and then nothing is sent."""
        if not speech_s(audio):
            return ""
        self._client.open()
        return self._client.transcribe(encode_audio(audio, container="WAV"), model=self._model)
