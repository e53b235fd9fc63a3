"""The other side of `--python`: one adapter in an interpreter of its own, asked over standard input and output.

It imports nothing but the standard library, numpy and the adapter's own needs (soundfile and soxr once a sound is read
from a file or resampled). Before anything else is imported, standard output is turned into standard error and standard
input into an empty one: what a model prints, or reads, cannot get between the messages. See `wire` for their form.

`python -m aqaa_eval.adapters.worker` runs it where aqaa-eval is installed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import platform
import queue
import signal
import threading
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from aqaa_eval.adapters.wire import Packet
    from aqaa_eval.core.protocols import SpeechModel

_REPORTED = ("torch", "transformers", "numpy", "accelerate", "kimi-audio", "openai")


def main() -> None:
    """Serve until the parent closes the pipe or is gone."""
    requests, replies = take_over_standard_streams()
    from aqaa_eval.adapters.wire import pack

    inbox: queue.SimpleQueue[Packet] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests, inbox), daemon=True).start()
    model: SpeechModel | None = None
    while True:
        packet = inbox.get()
        try:
            if packet.header["do"] == "build":
                model, reply = _build(packet)
            else:
                reply = _answer(model, packet)
        except Exception as error:  # the parent is told what it was, and raises it there
            traceback.print_exc()
            reply = _error(error)
        replies.write(pack(reply))
        replies.flush()


def take_over_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for the protocol alone: returns (requests, replies)."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _read_requests(stream: BinaryIO, inbox: queue.SimpleQueue[Packet]) -> None:
    """Runs beside the model, so that the end of the parent is seen in the middle of an answer too."""
    from aqaa_eval.adapters.wire import unpack

    def read(n_bytes: int) -> bytes:
        data = stream.read(n_bytes)
        if len(data) < n_bytes:
            _leave()
        return data

    while True:
        inbox.put(unpack(read))


def _leave() -> None:
    with contextlib.suppress(OSError):
        if os.getpgid(0) == os.getpid():  # what the model started goes too
            os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _build(packet: Packet) -> tuple[SpeechModel, Packet]:
    from aqaa_eval.adapters.wire import PROTOCOL, Packet

    module, _, name = packet.header["target"].partition(":")
    build = getattr(importlib.import_module(module), name)
    model: SpeechModel = build(packet.header["argument"], packet.header["options"])
    header = {"protocol": PROTOCOL, "identity": model.identity, "environment": environment()}
    return model, Packet(header=header)


def environment() -> dict[str, str]:
    """The versions that decide what this interpreter computes."""
    found = {"python": platform.python_version()}
    for package in _REPORTED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _answer(model: SpeechModel | None, packet: Packet) -> Packet:
    from dataclasses import replace

    from aqaa_eval.adapters.wire import pack_response, unpack_query
    from aqaa_eval.core.answers import ENOUGH_S, checked_response, first_seconds

    if model is None:
        raise RuntimeError("asked before a model was built")
    response = checked_response(model.answer(unpack_query(packet)))
    if response.audio is not None:
        response = replace(response, audio=first_seconds(response.audio, ENOUGH_S))
    return pack_response(response)


def _error(error: Exception) -> Packet:
    from aqaa_eval.adapters.wire import Packet

    told: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, ImportError) and error.name:
        told["module"] = error.name
    return Packet(header={"error": told})


if __name__ == "__main__":
    main()
