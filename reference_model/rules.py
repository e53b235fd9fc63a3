"""Which ids may come next in one row, as a band of the vocabulary plus a few specials.

A layout allows at most one kind of token beside the specials, so the output head is read only where it matters: at
an audio position that is 1,024 or 4,096 rows of 74,752.
"""

from __future__ import annotations

from dataclasses import dataclass

from aqaa_eval.reference_model.config import N_AUDIO_CODES
from aqaa_eval.reference_model.layout import (
    Layout,
    Phase,
    Symbol,
    first_state,
    moves,
    moves_within,
    step,
    symbol_of,
    tokens_to_finish,
)
from aqaa_eval.reference_model.vocabulary import EOS, EOT, N_SPECIALS, Vocabulary

Band = tuple[int, int]  # first id, last id + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may come next.

    Attributes:
        band: the ids first..last - 1; None if only specials may come.
        specials: single ids below 64.
    """

    band: Band | None
    specials: tuple[int, ...]


class LayoutRules:
    """Follows one row through its layout, and closes the answer before the tokens run out."""

    def __init__(self, layout: Layout, vocabulary: Vocabulary, max_new_tokens: int) -> None:
        self._layout = layout
        self._vocabulary = vocabulary
        self._state = first_state(layout)
        self._remaining = max_new_tokens
        self.was_cut = False
        needed = tokens_to_finish(layout, self._state)
        if max_new_tokens < needed:
            raise ValueError(
                f"max_new_tokens ({max_new_tokens}) must be at least {needed}: no {layout.name} answer is shorter"
            )
        first, semantic = vocabulary.first_audio_id, vocabulary.first_semantic_id
        self._bands: dict[Symbol, Band] = {
            Symbol.TEXT: (N_SPECIALS, first),
            Symbol.LINGUISTIC: (first, semantic),
            Symbol.SEMANTIC: (semantic, first + N_AUDIO_CODES),
        }

    @property
    def done(self) -> bool:
        """Whether the turn has ended."""
        return self._state.phase is Phase.DONE

    def allowed(self) -> Allowed:
        """Gives what may come next."""
        may = moves_within(self._layout, self._state, self._remaining)
        band = next((self._bands[symbol] for symbol in may if symbol in self._bands), None)
        return Allowed(band=band, specials=tuple(int(s.value) for s in may if s not in self._bands))

    def accept(self, token_id: int) -> None:
        """Moves on by the token that came."""
        symbol = symbol_of(token_id, self._vocabulary)
        if symbol is None:
            raise ValueError(f"token {token_id} is in no answer of layout {self._layout.name}")
        # When only the way out was open although more would have been legal, the limit ended the answer.
        open_now = moves_within(self._layout, self._state, self._remaining)
        self.was_cut = self.was_cut or len(open_now) < len(moves(self._layout, self._state))
        self._state = step(self._layout, self._state, symbol)
        self._remaining -= 1


class FreeRules:
    """No layout: any id may come, the turn ends at `</s>` or `<|EOT|>`; for weights that use no markers."""

    def __init__(self, vocabulary_size: int, max_new_tokens: int) -> None:
        self._everything = Allowed(band=(0, vocabulary_size), specials=())
        self._remaining = max_new_tokens
        self._ended = False

    @property
    def was_cut(self) -> bool:
        """Whether the limit ended the answer."""
        return self._remaining == 0 and not self._ended

    @property
    def done(self) -> bool:
        """Whether the turn has ended."""
        return self._ended or self._remaining == 0

    def allowed(self) -> Allowed:
        """Gives what may come next."""
        return self._everything

    def accept(self, token_id: int) -> None:
        """Moves on by the token that came."""
        self._ended = token_id in (EOS, EOT)
        self._remaining -= 1
