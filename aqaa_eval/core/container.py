"""What kind of audio file some bytes are, by their first few, and whether the file's name says the same."""

from __future__ import annotations

from pathlib import PurePosixPath

from aqaa_eval.core.errors import AudioError

_MAGIC = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (8, b"WAVE", "WAV"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (4, b"ftyp", "MPEG-4"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"ID3", "MP3"),
)
_SUFFIXES = {
    ".wav": "WAV",
    ".wave": "WAV",
    ".flac": "FLAC",
    ".ogg": "Ogg",
    ".oga": "Ogg",
    ".opus": "Ogg",
    ".mp3": "MP3",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".m4a": "MPEG-4",
    ".mp4": "MPEG-4",
    ".webm": "WebM",
}
SUFFIX_OF = {"WAV": ".wav", "FLAC": ".flac", "Ogg": ".ogg", "MP3": ".mp3", "AIFF": ".aiff"}
AUDIO_SUFFIXES = frozenset(_SUFFIXES)


def container_of(encoded: bytes) -> str:
    """Name of the container; "" if it is none that we know.

    >>> container_of(b"RIFF....WAVEfmt "), container_of(b"OggS"), container_of(b"<html>")
    ('WAV', 'Ogg', '')
    """
    for offset, magic, name in _MAGIC:
        if encoded[offset : offset + len(magic)] == magic:
            return name
    # An MPEG frame begins with eleven set bits, and layer 3 has the layer bits 01.
    if len(encoded) > 1 and encoded[0] == 0xFF and encoded[1] & 0xE6 == 0xE2:
        return "MP3"
    return ""


def refuse_mislabelled(name: str, encoded: bytes) -> None:
    """Refuse a file whose name says another container than its bytes: what else is mixed up in the set, nobody knows.

    Raises:
        AudioError: names both.
    """
    stated, found = _SUFFIXES.get(PurePosixPath(name).suffix.lower(), ""), container_of(encoded)
    if stated and found and stated != found:
        raise AudioError(f"{name}: mislabelled, its bytes are {found} and its name says {stated}; rename or replace it")
