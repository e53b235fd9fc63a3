"""Minds of a cascade, by name: SmolLM2, any chat model of transformers or GGUF on disk, or a chat server."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqaa_eval.adapters.cascade_ears import hash_of_files
from aqaa_eval.adapters.cascade_parts import ChatLine, Mind, OpenMind, Part, Piece
from aqaa_eval.adapters.openai_client import Client
from aqaa_eval.adapters.openai_endpoint import EndpointSettings
from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.errors import ModelError, UnknownName, UsageError
from aqaa_eval.core.weights import is_present, locate, weights_hash

SMOLLM2 = "smollm2:135m-instruct"
MINDS = ("smollm2", "hf", "gguf", "openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class MindSettings:
    """How a mind answers.

    Attributes:
        max_new_tokens: tokens of an answer at the most.
        temperature: 0 is greedy.
        device: of a local model.
        endpoint: of a chat server.
    """

    max_new_tokens: int
    temperature: float
    device: str
    endpoint: EndpointSettings


def find_mind(name: str, settings: MindSettings) -> Part[OpenMind]:
    """The mind of that name.

    Raises:
        UnknownName: there is none; the message suggests one.
        UsageError: a path that does not exist, or a server without a model's name.
    """
    head, _, argument = name.partition(":")
    lacking = () if importlib.util.find_spec("transformers") else ("transformers (pip install transformers)",)
    if head == "smollm2":
        weights = SMOLLM2 if not argument else f"smollm2:{argument}"
        unfetched = () if is_present(weights) else (f"{weights} (aqaa-eval fetch {weights})",)
        return Part(
            missing=(*lacking, *unfetched),
            name_it=lambda: f"{weights}@{weights_hash(weights)[:8]}",
            open=lambda: _local(locate(weights), settings),
        )
    if head == "hf":
        folder = _folder(argument)
        return Part(
            missing=lacking,
            name_it=lambda: f"hf:{folder.name}@{hash_of_files(_model_files(folder))}",
            open=lambda: _local(folder, settings),
        )
    if head == "gguf":
        return _gguf(argument, settings, lacking)
    if head == "openai":
        if not argument:
            raise UsageError("cascade: which model of the chat server? Write openai:MODEL, with --base-url")
        name_it = f"openai:{argument}({settings.endpoint.base_url})"
        client = Client(settings.endpoint)  # now, so that a missing key is told before the run
        mind = ServerMind(argument, settings, client=client)
        return Part(missing=(), name_it=lambda: name_it, open=lambda: mind, is_local=False)
    raise UnknownName("mind", head, MINDS)


def _gguf(argument: str, settings: MindSettings, lacking: tuple[str, ...]) -> Part[OpenMind]:
    path = Path(argument)
    if not path.is_file():
        raise UsageError(f"cascade: gguf:{argument}: no such file; give the .gguf file of a chat model")
    if not importlib.util.find_spec("gguf"):
        lacking = (*lacking, "gguf (pip install 'aqaa-eval[offline]')")
    return Part(
        missing=lacking,
        name_it=lambda: f"gguf:{path.stem}@{hash_of_files([path])}",
        open=lambda: _local(path.parent, settings, gguf_file=path.name),
    )


def _folder(argument: str) -> Path:
    folder = Path(argument)
    if not argument or not (folder / "config.json").is_file():
        raise UsageError(f"cascade: hf:{argument}: no folder with a config.json; give a checkpoint of transformers")
    return folder


def _model_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".model", ".jinja"))


def _local(folder: Path, settings: MindSettings, *, gguf_file: str | None = None) -> Mind:
    return Mind(
        folder,
        device=settings.device,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        gguf_file=gguf_file,
    )


class ServerMind:
    """A chat server, asked for text; the answer comes in one piece."""

    def __init__(self, model: str, settings: MindSettings, *, client: Client) -> None:
        self._model = model
        self._settings = settings
        self._client = client

    def answer(self, chat: Sequence[ChatLine], *, system: str, seed: int) -> Iterator[Piece]:
        """Answer the last line.

        Raises:
            ModelTimeout, ModelError: the server gave no answer.
        """
        messages = [{"role": "system", "content": system}] if system else []
        messages += [{"role": line.role, "content": line.text} for line in chat if line.text]
        body = {
            "model": self._model,
            "messages": messages,
            "max_tokens": self._settings.max_new_tokens,
            "temperature": self._settings.temperature,
            "seed": seed,
        }
        self._client.open()
        text, is_cut = _text_of(self._client.chat(body))
        yield Piece(text=text, finish=Finish.LENGTH if is_cut else Finish.STOP)


def _text_of(reply: Any) -> tuple[str, bool]:
    """The words of a chat reply, and whether they were cut at the limit."""
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise ModelError("the chat server's reply has no choices")
    message = choices[0].get("message")
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, str):
        raise ModelError("the chat server's reply has no text")
    return content, choices[0].get("finish_reason") == "length"
