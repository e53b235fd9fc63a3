"""Whether an audio file is as long as it says and no page of it was changed: what libsndfile reads over in silence."""

from __future__ import annotations

import struct

from aqaa_eval.core.errors import AudioError
from aqaa_eval.core.ogg_pages import page_is_whole, pages

MAX_CHUNKS = 1_000
"""Before the sound begins. A file of zeros is a chain of empty chunks, one in eight bytes."""
_UNKNOWN = 0xFFFFFF00
"""Writers to a pipe leave the maximum where the size of the sound stands: it is then unknown, not wrong."""


def refuse_damaged(encoded: bytes, label: str) -> None:
    """Refuse a WAV or AIFF file that is cut, and an Ogg file that is cut or has a changed page.

    Raises:
        AudioError: names the file and what is missing.
    """
    head, form = encoded[:4], encoded[8:12]
    if head in (b"RIFF", b"RF64") and form == b"WAVE":
        _refuse_cut(encoded, label, sound=b"data", order="<")
    elif (head == b"RIFX" and form == b"WAVE") or (head == b"FORM" and form in (b"AIFF", b"AIFC")):
        _refuse_cut(encoded, label, sound=b"data" if head == b"RIFX" else b"SSND", order=">")
    elif head == b"OggS":
        _refuse_damaged_ogg(encoded, label)


def _refuse_cut(encoded: bytes, label: str, *, sound: bytes, order: str) -> None:
    """Walk the chunks; the one with the sound must not promise more bytes than there are."""
    offset, long_size = 12, 0
    for _ in range(MAX_CHUNKS):
        if offset + 8 > len(encoded):
            return
        chunk, size = struct.unpack_from(f"{order}4sI", encoded, offset)
        if chunk == b"ds64" and offset + 24 <= len(encoded):
            # RF64: sizes of 64 bits, first that of the file, then that of the sound.
            long_size = struct.unpack_from("<Q", encoded, offset + 16)[0]
        if chunk == sound:
            n_left = len(encoded) - offset - 8
            promised = long_size if size >= _UNKNOWN else size  # 0 where nobody knows
            if promised > n_left:
                raise AudioError(
                    f"{label}: truncated, the header promises {promised} bytes of sound and {n_left} are there"
                )
            return
        offset += 8 + size + size % 2
    raise AudioError(f"{label}: no sound within {MAX_CHUNKS} chunks; write it again as WAV")


def _refuse_damaged_ogg(encoded: bytes, label: str) -> None:
    """All pages must be whole, and the last one must end the stream; what stands behind it is no sound."""
    ends_stream = False
    try:
        for start, end in pages(encoded):
            if not page_is_whole(encoded[start:end]):
                raise AudioError(f"{label}: damaged, the Ogg page at byte {start} has another checksum than it says")
            ends_stream = bool(encoded[start + 5] & 4)
    except ValueError as error:
        if not ends_stream:
            raise AudioError(f"{label}: truncated, the last Ogg page is cut or does not end the stream") from error
    if not ends_stream:
        raise AudioError(f"{label}: truncated, the last Ogg page is cut or does not end the stream")
