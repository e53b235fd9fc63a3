"""The one audio stream of the language model, woven from the two codebooks, and the way back.

A group is two linguistic codes (0..1023) and three semantic ones (1024..5119, the code plus 1,024): 0.12 s of speech.
The language model adds its first audio id to these. A model is free to emit something else than groups, so what
comes back from one is checked (`malformed_positions`) and, if wished, mended (`repair`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aqaa_eval.reference_model.config import N_AUDIO_CODES, N_LINGUISTIC_CODES, N_SEMANTIC_CODES
from aqaa_eval.reference_model.tokenizer.errors import CodesError

N_LINGUISTIC_PER_GROUP = 2
N_SEMANTIC_PER_GROUP = 3
GROUP = N_LINGUISTIC_PER_GROUP + N_SEMANTIC_PER_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class DualCodes:
    """The two streams of one recording.

    Attributes:
        linguistic: codes 0..1023, 16.7 a second.
        semantic: codes 0..4095, 25 a second.
    """

    linguistic: tuple[int, ...]
    semantic: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A stream made of whole groups, and what it took.

    Attributes:
        codes: the merged codes, a multiple of five.
        n_dropped: codes left out: out of range, or more than a group holds.
        n_filled: codes put in where a group lacked them.
    """

    codes: list[int]
    n_dropped: int
    n_filled: int


def merge(linguistic: Sequence[int], semantic: Sequence[int]) -> list[int]:
    """Weaves as many whole groups as both streams can fill; what is left over is dropped.

    >>> merge([1, 2, 3], [10, 11, 12, 13])
    [1, 2, 1034, 1035, 1036]

    Raises:
        CodesError: a code is outside its codebook.
    """
    _check_range(linguistic, N_LINGUISTIC_CODES, "linguistic")
    _check_range(semantic, N_SEMANTIC_CODES, "semantic")
    merged: list[int] = []
    n_groups = min(len(linguistic) // N_LINGUISTIC_PER_GROUP, len(semantic) // N_SEMANTIC_PER_GROUP)
    for i in range(n_groups):
        merged += linguistic[2 * i : 2 * i + 2]
        merged += (N_LINGUISTIC_CODES + code for code in semantic[3 * i : 3 * i + 3])
    return merged


def split(codes: Sequence[int]) -> DualCodes:
    """The inverse of `merge`.

    >>> split([1, 2, 1034, 1035, 1036])
    DualCodes(linguistic=(1, 2), semantic=(10, 11, 12))

    Raises:
        CodesError: the stream is not made of whole groups.
    """
    if bad := malformed_positions(codes):
        where = f"position {bad[0]}" if bad[0] < len(codes) else f"the end, position {bad[0]}"
        found = f"holds {codes[bad[0]]}" if bad[0] < len(codes) else "is missing"
        kind = "linguistic (0..1023)" if _wants_linguistic(bad[0]) else "semantic (1024..5119)"
        raise CodesError(
            f"{where} {found} but its place in the group of five is {kind}; {len(bad)} of {len(codes)} places "
            "are wrong: pass the codes through repair() first"
        )
    linguistic = [code for code in codes if code < N_LINGUISTIC_CODES]
    semantic = [code - N_LINGUISTIC_CODES for code in codes if code >= N_LINGUISTIC_CODES]
    return DualCodes(linguistic=tuple(linguistic), semantic=tuple(semantic))


def malformed_positions(codes: Sequence[int]) -> list[int]:
    """Places whose code is of the wrong kind or out of range, and those missing from the last group.

    >>> malformed_positions([1, 1034, 1034, 1035, 1036, 7])
    [1, 6, 7, 8, 9]
    """
    wrong = [i for i, code in enumerate(codes) if not _in_range(code) or _is_linguistic(code) != _wants_linguistic(i)]
    n_missing = -len(codes) % GROUP
    return wrong + list(range(len(codes), len(codes) + n_missing))


def repair(codes: Iterable[int]) -> Repair:
    """Makes whole groups of whatever a model emitted.

    The rule: codes out of range are dropped. The rest is cut wherever a linguistic code follows a semantic one, and
    each piece becomes exactly one group: its first two linguistic and first three semantic codes. A lack is filled by
    repeating the last code of that kind, from the group before if need be, and by the first code of the codebook at
    the very start. So one lost code never shifts the groups after it, and a well-formed stream stays as it is.

    >>> repair([1, 2, 1034, 1035, 3, 4, 5, 1040, 1041, 1042])
    Repair(codes=[1, 2, 1034, 1035, 1035, 3, 4, 1040, 1041, 1042], n_dropped=1, n_filled=1)
    """
    given = list(codes)
    merged: list[int] = []
    n_kept = 0
    last = {True: 0, False: N_LINGUISTIC_CODES}
    for piece in _pieces(code for code in given if _in_range(code)):
        for is_linguistic, size in ((True, N_LINGUISTIC_PER_GROUP), (False, N_SEMANTIC_PER_GROUP)):
            kept = [code for code in piece if _is_linguistic(code) == is_linguistic][:size]
            n_kept += len(kept)
            last[is_linguistic] = kept[-1] if kept else last[is_linguistic]
            merged += kept + [last[is_linguistic]] * (size - len(kept))
    return Repair(codes=merged, n_dropped=len(given) - n_kept, n_filled=len(merged) - n_kept)


def _pieces(codes: Iterable[int]) -> list[list[int]]:
    """Cuts before each linguistic code that follows a semantic one."""
    pieces: list[list[int]] = []
    previous_is_linguistic = False
    for code in codes:
        if not pieces or (_is_linguistic(code) and not previous_is_linguistic):
            pieces.append([])
        pieces[-1].append(code)
        previous_is_linguistic = _is_linguistic(code)
    return pieces


def _is_linguistic(code: int) -> bool:
    return code < N_LINGUISTIC_CODES


def _wants_linguistic(position: int) -> bool:
    return position % GROUP < N_LINGUISTIC_PER_GROUP


def _in_range(code: int) -> bool:
    return 0 <= code < N_AUDIO_CODES


def _check_range(codes: Sequence[int], n_codes: int, kind: str) -> None:
    for i, code in enumerate(codes):
        if not 0 <= code < n_codes:
            raise CodesError(
                f"{kind} code {code} at position {i} is outside its codebook of {n_codes} (0..{n_codes - 1})"
            )
