"""Recordings that lie, are cut, damaged, endless or strange, each with what the reader says to it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.bad_inputs.sounds import N_SAMPLES, changed, encoded, flac_of_length, flipped, noise, ogg_without_middle, wav

USE = "use WAV, FLAC, Ogg or MP3"


@dataclass(frozen=True, kw_only=True)
class BadSound:
    """One file.

    Attributes:
        name: of the file, with its suffix.
        make: its bytes.
        error: the message without the file's name, see `containment.pattern`; "" if it is accepted.
        n_samples: per channel, of an accepted one.
    """

    name: str
    make: Callable[[], bytes]
    error: str = ""
    n_samples: int = 0


def bad(name: str, make: Callable[[], bytes], error: str) -> BadSound:
    return BadSound(name=name, make=make, error=error)


def odd(name: str, make: Callable[[], bytes], n_samples: int) -> BadSound:
    return BadSound(name=name, make=make, n_samples=n_samples)


def unreadable(reason: str) -> str:
    return f"not a readable audio file ({reason}); {USE}"


UNFINISHED_OGG = "truncated, the last Ogg page is cut or does not end the stream"
DAMAGED_OGG = "damaged, the Ogg page at byte # has another checksum than it says"
MALFORMED = unreadable("Error in WAV/W64/RF64 file. Malformed 'fmt ' chunk")
NO_DATA = unreadable("Error in WAV file. No 'data' chunk marker")


def _channels(n: int) -> Callable[[], bytes]:
    return lambda: encoded("WAV", "PCM_16", np.stack([noise()] * n, axis=1))


def _floats(value: float, subtype: str = "FLOAT") -> Callable[[], bytes]:
    return lambda: encoded("WAV", subtype, np.full(100, value, np.float64 if subtype == "DOUBLE" else np.float32))


def _list_chunk(size: int) -> bytes:
    return b"LIST" + struct.pack("<I", size)


def _mp3_with(garbage: bytes, *, at: int) -> bytes:
    file = encoded("MP3", "MPEG_LAYER_III")
    return file[:at] + garbage + file[at:]


def _silence_of_12_minutes() -> bytes:
    return encoded("FLAC", "PCM_16", np.zeros(8_000 * 720, np.int16), 8_000)


SOUNDS = (
    # Headers of WAV files that lie.
    bad("empty.wav", lambda: b"", "the file is empty (0 bytes)"),
    bad("magic-alone.wav", lambda: b"RIFF\0\0\0\0WAVE", NO_DATA),
    bad("no-data.wav", lambda: wav()[:36], NO_DATA),
    bad("no-channel.wav", lambda: wav(channels=0), unreadable("Channel count is zero")),
    bad("40-channels.wav", _channels(40), "40 channels, at most 32 are read; write it again as mono"),
    bad("1025-channels.wav", lambda: wav(channels=1025), unreadable("Too many channels specified")),
    bad("65535-channels.wav", lambda: wav(channels=65_535), unreadable("Too many channels specified")),
    bad("0-hz.wav", lambda: wav(rate_hz=0), unreadable("Internal error : SF_INFO struct incomplete")),
    bad("negative-hz.wav", lambda: wav(rate_hz=-1), unreadable("Internal error : SF_INFO struct incomplete")),
    bad("1-hz.wav", lambda: wav(rate_hz=1), "sample rate 1 Hz is outside 1000 to 768000 Hz; resample it"),
    bad("999-hz.wav", lambda: wav(rate_hz=999), "sample rate 999 Hz is outside 1000 to 768000 Hz; resample it"),
    bad("1-mhz.wav", lambda: wav(rate_hz=10**6), "sample rate 1000000 Hz is outside 1000 to 768000 Hz; resample it"),
    bad("0-bits.wav", lambda: wav(bits=0), unreadable("File contains data in an unimplemented format")),
    bad("33-bits.wav", lambda: wav(bits=33), unreadable("File contains data in an unimplemented format")),
    bad("64-bits.wav", lambda: wav(bits=64), unreadable("File contains data in an unimplemented format")),
    bad("format-0.wav", lambda: wav(tag=0), MALFORMED),
    bad("format-mp3.wav", lambda: wav(tag=0x55), MALFORMED),
    bad("extensible-alone.wav", lambda: wav(tag=0xFFFE), unreadable("File contains data in an unimplemented format")),
    bad("fmt-of-0-bytes.wav", lambda: wav(fmt_size=0), unreadable("Error in WAV/W64/RF64 file. Short 'fmt ' chunk")),
    bad("fmt-of-2-gb.wav", lambda: wav(fmt_size=2**31 - 1), NO_DATA),
    bad("chunk-of-4-gb.wav", lambda: wav(before=_list_chunk(2**32 - 16)), NO_DATA),
    bad("endless-chunks.wav", lambda: wav(before=bytes(80_000)), "no sound within 1000 chunks; write it again as WAV"),
    bad(
        "longer-than-it-is.wav",
        lambda: wav(data_size=10**6),
        "truncated, the header promises 1000000 bytes of sound and 16000 are there",
    ),
    bad(
        "negative-length.wav",
        lambda: wav(data_size=2**32 - 2**20),
        "truncated, the header promises 4293918720 bytes of sound and 16000 are there",
    ),
    bad("length-0.wav", lambda: wav(data_size=0), "holds no samples"),
    bad("cut.wav", lambda: wav()[:-1000], "truncated, the header promises 16000 bytes of sound and 15000 are there"),
    # RF64, RIFX and AIFF: the same lie in other words.
    bad(
        "cut-rf64.wav",
        lambda: encoded("RF64", "PCM_16")[:-8000],
        "truncated, the header promises 32000 bytes of sound and 24000 are there",
    ),
    bad(
        "cut.aiff",
        lambda: encoded("AIFF", "PCM_16")[:-8000],
        "truncated, the header promises 32008 bytes of sound and 24008 are there",
    ),
    bad("rifx.wav", lambda: wav(head=b"RIFX"), MALFORMED),
    # Floats that are no sound.
    bad("nan.wav", _floats(float("nan")), "100 of 100 samples are NaN or infinite; write it again as 16-bit PCM"),
    bad("inf.wav", _floats(float("inf")), "100 of 100 samples are NaN or infinite; write it again as 16-bit PCM"),
    bad(
        "minus-inf.wav", _floats(float("-inf")), "100 of 100 samples are NaN or infinite; write it again as 16-bit PCM"
    ),
    bad(
        "beyond-float.wav",
        _floats(1e300, "DOUBLE"),
        "100 of 100 samples are NaN or infinite; write it again as 16-bit PCM",
    ),
    bad("unscaled.wav", _floats(12345.0), "samples reach 1.23e+04 and full scale is 1.0; write it again as 16-bit PCM"),
    # FLAC.
    bad(
        "broken-frame.flac",
        lambda: flipped(encoded("FLAC", "PCM_16"), 15_000),
        unreadable("unknown error in flac decoder"),
    ),
    bad(
        "zeroed-frame.flac",
        lambda: changed(encoded("FLAC", "PCM_16"), 12_000, bytes(3000)),
        unreadable("flac decoder lost sync"),
    ),
    bad("cut.flac", lambda: encoded("FLAC", "PCM_16")[:-500], unreadable("flac decoder lost sync")),
    bad("magic-alone.flac", lambda: b"fLaC", unreadable("~")),
    bad(
        "of-no-length.flac",
        lambda: flac_of_length(0),
        "does not say how long it is; write it to a file again, not to a pipe",
    ),
    bad("of-119-hours.flac", lambda: flac_of_length(2**36 - 1), "4294967 s is longer than the limit of 600 s"),
    bad(
        "of-400-mb.flac",
        lambda: flac_of_length(100_000_000, rate_hz=655_350),
        "100000000 samples, at most 57600000 are read; resample it to 48 kHz",
    ),
    bad("of-12-minutes.flac", _silence_of_12_minutes, "720 s is longer than the limit of 600 s"),
    # Ogg.
    bad("cut.ogg", lambda: encoded("OGG", "VORBIS")[:-300], UNFINISHED_OGG),
    bad("cut-opus.ogg", lambda: encoded("OGG", "OPUS")[:2000], UNFINISHED_OGG),
    bad("first-page-alone.ogg", lambda: encoded("OGG", "VORBIS")[:58], UNFINISHED_OGG),
    bad(
        "flipped.ogg",
        lambda: flipped(encoded("OGG", "VORBIS"), 5000),
        DAMAGED_OGG,
    ),
    bad(
        "flipped-opus.ogg",
        lambda: flipped(encoded("OGG", "OPUS"), 2000),
        DAMAGED_OGG,
    ),
    bad("no-middle.ogg", lambda: ogg_without_middle(encoded("OGG", "VORBIS", np.tile(noise(), 8))), "truncated~"),
    bad("zeros-behind-magic.ogg", lambda: b"OggS" + bytes(5000), DAMAGED_OGG),
    # MP3.
    bad("garbage-before.mp3", lambda: _mp3_with(b"garbage" * 100, at=0), unreadable("no known format")),
    bad("garbage-inside.mp3", lambda: _mp3_with(b"x" * 3000, at=2000), unreadable("Unspecified internal error")),
    bad(
        "cut.mp3",
        lambda: encoded("MP3", "MPEG_LAYER_III")[:-200],
        "truncated or damaged, # of 16000 frames could be read",
    ),
    bad("id3-alone.mp3", lambda: b"ID3\4\0\0\0\0\0\x7f" + bytes(200), unreadable("Format not recognised")),
    bad("sync-alone.mp3", lambda: b"\xff\xfb\x90\x00" * 8, unreadable("~")),
    # No sound at all, or none that is taken.
    bad("page.wav", lambda: b"<!doctype html><title>404</title>", unreadable("no known format")),
    bad("zeros.wav", lambda: bytes(10_000), unreadable("no known format")),
    bad("archive.wav", lambda: b"PK\3\4" + bytes(1000), unreadable("no known format")),
    bad("sun.wav", lambda: encoded("AU", "PCM_16"), unreadable("no known format")),
    bad("sony.wav", lambda: encoded("W64", "PCM_16"), unreadable("no known format")),
    bad("apple.wav", lambda: encoded("CAF", "PCM_16"), unreadable("no known format")),
    bad("movie.m4a", lambda: b"\0\0\0\x20ftypM4A " + bytes(1000), unreadable("no known format")),
    bad(
        "flac.ogg",
        lambda: encoded("FLAC", "PCM_16"),
        "mislabelled, its bytes are FLAC and its name says Ogg; rename or replace it",
    ),
    # Strange, and taken for what it is.
    odd("piped.wav", lambda: wav(data_size=2**32 - 1), 8_000),
    odd("shorter-than-it-is.wav", lambda: wav(data_size=200), 100),
    odd("odd-length.wav", lambda: wav(data_size=201), 100),
    odd("align-0.wav", lambda: wav(align=0), 8_000),
    odd("768-khz.wav", lambda: wav(rate_hz=768_000), 8_000),
    odd("1000-hz.wav", lambda: wav(rate_hz=1_000), 8_000),
    odd("1-bit.wav", lambda: wav(bits=1), 16_000),
    odd("8-bits.wav", lambda: wav(bits=8), 16_000),
    odd("12-bits.wav", lambda: wav(bits=12), 8_000),
    odd("24-bits.wav", lambda: wav(bits=24, data=bytes(range(1, 241)) * 50), 4_000),
    odd("32-bits.wav", lambda: wav(bits=32), 4_000),
    odd("16-channels.wav", _channels(16), N_SAMPLES),
    odd("2-channels.wav", _channels(2), N_SAMPLES),
    odd("rf64.wav", lambda: encoded("RF64", "PCM_16"), N_SAMPLES),
    odd("a-law.wav", lambda: encoded("WAV", "ALAW"), N_SAMPLES),
    odd("doubles.wav", lambda: encoded("WAV", "DOUBLE"), N_SAMPLES),
    odd("whole.aiff", lambda: encoded("AIFF", "PCM_16"), N_SAMPLES),
    odd("tail.flac", lambda: encoded("FLAC", "PCM_16") + b"garbage" * 100, N_SAMPLES),
    odd("tail.mp3", lambda: encoded("MP3", "MPEG_LAYER_III") + b"x" * 3000, N_SAMPLES),
    odd("one-sample.wav", lambda: wav(data=b"\1\0"), 1),
)
