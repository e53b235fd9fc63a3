"""Recordings made of numbers: proper ones, and the ways in which their bytes are changed."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE_HZ = 16_000
N_SAMPLES = 16_000


@cache
def noise() -> NDArray[np.float32]:
    """A second of noise: nothing that a codec can leave out."""
    drawn = np.random.default_rng(0).standard_normal(N_SAMPLES)
    return np.clip(0.2 * drawn, -0.9, 0.9).astype(np.float32)


def encoded(container: str, subtype: str, samples: NDArray[Any] | None = None, rate_hz: int = RATE_HZ) -> bytes:
    """A proper file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, noise() if samples is None else samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def wav(
    *,
    head: bytes = b"RIFF",
    tag: int = 1,
    channels: int = 1,
    rate_hz: int = RATE_HZ,
    bits: int = 16,
    align: int | None = None,
    fmt_size: int = 16,
    data: bytes = bytes(range(1, 251)) * 64,
    data_size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file in which every field may lie.

    Args:
        align: bytes per frame; what the other fields say if None.
        data_size: as the header promises it; what is there if None.
        before: chunks before the format.
    """
    align = channels * ((bits + 7) // 8) if align is None else align
    fmt = struct.pack("<HHIIHH", tag, channels, rate_hz % 2**32, rate_hz * align % 2**32, align % 2**16, bits)
    promised = len(data) if data_size is None else data_size
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", fmt_size) + fmt
    body += b"data" + struct.pack("<I", promised) + data
    return head + struct.pack("<I", len(body)) + body


def changed(file: bytes, at: int, new: bytes) -> bytes:
    """The file with other bytes at one place."""
    at %= len(file)
    return file[:at] + new + file[at + len(new) :]


def flipped(file: bytes, at: int) -> bytes:
    """The file with one byte inverted."""
    return changed(file, at, bytes([file[at % len(file)] ^ 0xFF]))


def flac_of_length(n_samples: int, *, rate_hz: int = RATE_HZ) -> bytes:
    """A FLAC file whose head says this many samples, whatever it holds.

    The head keeps 20 bits of sample rate, 3 of channels, 5 of depth and 36 of length, from byte 18.
    """
    file = encoded("FLAC", "PCM_16")
    packed = rate_hz << 44 | (1 - 1) << 41 | (16 - 1) << 36 | n_samples
    return changed(file, 18, packed.to_bytes(8, "big"))


def ogg_without_middle(file: bytes) -> bytes:
    """An Ogg file that lacks a page between its first and its last."""
    starts = [at for at in range(len(file)) if file[at : at + 4] == b"OggS"]
    return file[: starts[-2]] + file[starts[-1] :]
