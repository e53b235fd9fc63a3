"""A language model on this machine as a judge: `--judge hf:PATH_OR_NAME`, through transformers.

The argument is a folder, a `.gguf` file, a name of our catalogue of weights (`hf:smollm2:135m-instruct`), or a model of
the Hub. Its replies are valid by construction (see `constrained.py`). Small models judge badly: measure one with
`make judge-agreement` before its scores are believed.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.weights import WEIGHTS, locate, weights_hash
from aqaa_eval.judges.constrained import ConstrainedWriter, pieces_of
from aqaa_eval.judges.endpoint import Call, Reply, Unreachable
from aqaa_eval.judges.verdict import ReplyForm

EDGE_BYTES = 1 << 20
MAX_REASON_TOKENS = 80
INT8 = "int8.2"
"""How 8 bit is called in a judge's identity: raised when it computes otherwise."""


class LocalModel:
    """A causal language model that writes verdicts; loaded when it is first asked."""

    def __init__(self, source: str, *, device: str = "cpu", dtype: str = "auto") -> None:
        """Find the model's files.

        Args:
            source: see the module.
            device: to run on.
            dtype: "float32", "bfloat16", "int8" (on a CPU), or "auto": the first on a CPU, the second elsewhere.

        Raises:
            UsageError: there are no such files.
            MissingWeights: a catalogue name that was not fetched.
        """
        self.device = device
        self._dtype = dtype if dtype != "auto" else "float32" if device == "cpu" else "bfloat16"
        self._lock = threading.Lock()
        self._loaded: tuple[Any, ConstrainedWriter, int] | None = None
        self.source = source
        self.folder, self.gguf = _find(source)
        self.fingerprint = _fingerprint(source, self.folder, self.gguf)
        self.name = f"hf:{_short(source)}"
        computes = {"auto": "", "int8": f"/{INT8}"}.get(dtype, f"/{dtype}")
        self.identity = f"{self.name}@{self.fingerprint}/constrained{computes}"

    def reply(
        self, messages: Sequence[Mapping[str, str]], form: ReplyForm, *, max_reason_tokens: int = MAX_REASON_TOKENS
    ) -> Reply:
        """A verdict in that form.

        Args:
            messages: the chat; what its first message says is read once, as long as it stays the same.
            form: of the verdict.
            max_reason_tokens: of its reason; 0 writes none, and a verdict takes one step per scale.

        Raises:
            Unreachable: the prompt does not fit into the model, or the model broke.
        """
        with self._lock:
            try:
                tokenizer, writer, n_context = self._loaded = self._loaded or self._load()
                ids = _prompt_ids(tokenizer, messages)
                n_shared = _shared_length(tokenizer, messages, ids)
                n_room = n_context - len(ids) - len(form.keys) * 8 - max_reason_tokens
                if n_room < 0:
                    raise Unreachable(
                        f"hf:{self.source}: {len(ids)} tokens of prompt do not fit into its {n_context}", is_final=True
                    )
                pieces = pieces_of(form, max_reason_tokens=max_reason_tokens)
                written = writer.write(ids, pieces, n_shared=n_shared)
            except (RuntimeError, ValueError, OSError) as error:
                told = " ".join(str(error).split())[:300]
                raise Unreachable(f"hf:{self.source}: {type(error).__name__}: {told}", is_final=True) from error
        return Reply(
            text=written.text, expected=written.expected, n_prompt_tokens=len(ids), n_reply_tokens=written.n_tokens
        )

    def _load(self) -> tuple[Any, ConstrainedWriter, int]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        dtype: torch.dtype = torch.float32 if self._dtype == "int8" else getattr(torch, self._dtype)
        place: dict[str, Any] = {"gguf_file": self.gguf} if self.gguf else {}
        if isinstance(self.folder, Path):
            place["local_files_only"] = True
        had_bar = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, **place)
            model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=dtype, **place)
        finally:
            if had_bar:
                logging.enable_progress_bar()
        if self._dtype == "int8":
            from aqaa_eval.judges.int8 import to_int8

            to_int8(model)
        n_context = int(getattr(model.config.get_text_config(), "max_position_embeddings", 4096))
        return tokenizer, ConstrainedWriter(model.to(self.device).eval(), tokenizer), n_context


class LocalProvider:
    """A local model as the voice of a judge."""

    is_local = True

    def __init__(self, model: LocalModel, *, max_reason_tokens: int = MAX_REASON_TOKENS) -> None:
        """Take the model; it is loaded with the first verdict, and may speak for several judges."""
        self._model = model
        self._max_reason_tokens = max_reason_tokens
        self.name = model.name
        self.address = f"device {model.device}"

    @property
    def identity(self) -> str:
        """Name and hash of the weights, and settings that are not the default."""
        n_tokens = self._max_reason_tokens
        return self._model.identity + ("" if n_tokens == MAX_REASON_TOKENS else f"/reason{n_tokens}")

    async def complete(self, call: Call) -> Reply:
        """One verdict.

        Raises:
            Unreachable: the model broke on it.
        """
        n_tokens = self._max_reason_tokens
        return await asyncio.to_thread(self._model.reply, call.messages, call.form, max_reason_tokens=n_tokens)

    async def close(self) -> None:
        """There is nothing to close."""


def _short(source: str) -> str:
    return source if source in WEIGHTS else source.rstrip("/").rsplit("/", 1)[-1]


def _find(source: str) -> tuple[Path | str, str]:
    """The folder (or the Hub's name) and the GGUF file in it; "" for none."""
    if source in WEIGHTS:
        return locate(source), ""
    path = Path(source).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path.parent, path.name
    if path.is_dir() and (path / "config.json").is_file():
        return path, ""
    if not source or source.startswith((".", "/", "~")) or path.exists() or source.count("/") != 1:
        raise UsageError(
            f"--judge hf:{source}: no folder with config.json, no .gguf file, no name of `aqaa-eval list weights`, and "
            "no Hub model (owner/name)"
        )
    return source, ""


def _fingerprint(source: str, folder: Path | str, gguf: str) -> str:
    """Eight hex digits for the weights: the catalogue's hash, or one over names, sizes and both ends of the files."""
    if source in WEIGHTS:
        return weights_hash(source)[:8]
    if not isinstance(folder, Path):
        return "hub"
    paths = [folder / gguf] if gguf else sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(EDGE_BYTES)
            file.seek(max(0, size - EDGE_BYTES))
            digest.update(f"{path.name} {size} ".encode() + head + file.read(EDGE_BYTES))
    return digest.hexdigest()[:8]


def _shared_length(tokenizer: Any, messages: Sequence[Mapping[str, str]], ids: Sequence[int]) -> int:
    """Tokens at the beginning that every prompt with the same rules has, whatever the item is."""
    if len(messages) < 2:
        return 0
    others = (_prompt_ids(tokenizer, [messages[0], {"role": "user", "content": text}]) for text in ("a", "1"))
    return min(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ids, other, strict=False))) for other in others
    )


def _prompt_ids(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The chat in the model's own template; without one, as plain text."""
    if not tokenizer.chat_template:
        text = "\n\n".join(message["content"] for message in messages)
        plain: list[int] = tokenizer(f"{text}\n\n")["input_ids"]
        return plain
    encoded = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)
    ids: list[int] = encoded["input_ids"]
    return ids
