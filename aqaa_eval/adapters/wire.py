"""Questions and answers as bytes, for a model that runs in another process.

One message is four bytes of length (big-endian), a header of that many bytes (JSON, UTF-8), and then the samples of
its sounds, one after the other, as little-endian float32; the header's `n_samples` says how many each has. Nothing is
pickled: neither side can make the other run anything. Samples travel as they are, so an answer is the same to the bit
whether its model runs here or elsewhere.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.answers import ENOUGH_S, MAX_ANSWER_RATE_HZ
from aqaa_eval.core.attempt import Finish, Message, Query, Response, Timing
from aqaa_eval.core.audio import Audio

PROTOCOL = 1
MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_SAMPLES = int(ENOUGH_S * MAX_ANSWER_RATE_HZ) + 1
"""Of one answer: the worker cuts what is longer, so more can only be a broken message."""

Sounds = tuple[NDArray[np.float32], ...]


class WireError(Exception):
    """Bytes that are no message of this protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One message: a header of plain values, and the sounds that it refers to by number."""

    header: Mapping[str, Any]
    sounds: Sounds = ()


def pack(packet: Packet) -> bytes:
    """A message as bytes."""
    header = {**packet.header, "n_samples": [len(sound) for sound in packet.sounds]}
    encoded = json.dumps(header, ensure_ascii=False).encode()
    sounds = (np.ascontiguousarray(sound, "<f4").tobytes() for sound in packet.sounds)
    return b"".join([struct.pack(">I", len(encoded)), encoded, *sounds])


def unpack(read: Callable[[int], bytes], *, max_samples: int | None = None) -> Packet:
    """Read one message.

    Args:
        read: gives exactly as many bytes as it is asked for, or raises.
        max_samples: more in all are refused before they are read; None for no limit.

    Raises:
        WireError: a length or a header that cannot be.
    """
    [n_bytes] = struct.unpack(">I", read(4))
    if not 2 <= n_bytes <= MAX_HEADER_BYTES:
        raise WireError(f"a header of {n_bytes} bytes; it must have 2 to {MAX_HEADER_BYTES}")
    try:
        header = json.loads(read(n_bytes))
        counts = [int(count) for count in header["n_samples"]]
    except (ValueError, KeyError, TypeError) as error:
        raise WireError(f"a header that is no JSON object with n_samples ({error})") from error
    if any(count < 0 for count in counts) or (max_samples is not None and sum(counts) > max_samples):
        raise WireError(f"sounds of {counts} samples; the limit is {max_samples}")
    sounds = tuple(np.frombuffer(read(4 * count), "<f4").astype(np.float32) for count in counts)
    return Packet(header=header, sounds=sounds)


def pack_query(query: Query) -> Packet:
    """A question as a message."""
    sounds: list[NDArray[np.float32]] = []
    messages = []
    for message in query.messages:
        messages.append({"role": message.role, "text": message.text, **_sound_fields(message.audio, sounds)})
    header = {"do": "answer", "key": query.key, "seed": query.seed, "messages": messages}
    return Packet(header=header, sounds=tuple(sounds))


def unpack_query(packet: Packet) -> Query:
    """The question behind a message.

    >>> query = Query(key="s/a#0", messages=(Message(role="user", audio=None, text="hi"),), seed=3)
    >>> unpack_query(pack_query(query)) == query
    True
    """
    messages = tuple(
        Message(role=fields["role"], audio=_sound(fields, packet.sounds), text=fields["text"])
        for fields in packet.header["messages"]
    )
    return Query(key=packet.header["key"], messages=messages, seed=packet.header["seed"])


def pack_response(response: Response) -> Packet:
    """An answer as a message."""
    sounds: list[NDArray[np.float32]] = []
    fields = _sound_fields(response.audio, sounds)
    header = {
        "text": response.text,
        "first_audio_s": response.timing.first_audio_s,
        "total_s": response.timing.total_s,
        "finish": response.finish.value,
        **fields,
    }
    return Packet(header=header, sounds=tuple(sounds))


def unpack_response(packet: Packet) -> Response:
    """The answer behind a message.

    Raises:
        WireError: a field is missing or of another kind.
    """
    try:
        fields = packet.header
        timing = Timing(first_audio_s=fields["first_audio_s"], total_s=fields["total_s"])
        audio = _sound(fields, packet.sounds)
        return Response(audio=audio, text=fields["text"], timing=timing, finish=Finish(fields["finish"]))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise WireError(f"an answer without its fields ({type(error).__name__} {error})") from error


def _sound_fields(audio: Audio | None, sounds: list[NDArray[np.float32]]) -> dict[str, int | None]:
    if audio is None:
        return {"sound": None, "sample_rate_hz": None}
    sounds.append(audio.samples)
    return {"sound": len(sounds) - 1, "sample_rate_hz": audio.sample_rate_hz}


def _sound(fields: Mapping[str, Any], sounds: Sounds) -> Audio | None:
    if fields["sound"] is None:
        return None
    return Audio(samples=sounds[fields["sound"]], sample_rate_hz=fields["sample_rate_hz"])
