"""How text and audio tokens alternate in an answer, as a small state machine.

    audio_only        (<audio_start> group+ <audio_end>)+ <|EOT|>
    text_to_audio     text+ (<audio_start> group+ <audio_end>)+ <|EOT|>
    interleave_N_M    (<audio_start> (N text, M audio)* text* <text_end> audio* <audio_end>)+ <|EOT|>

A group is 2 linguistic and 3 semantic ids. In N:M the groups run on across text blocks, so M need not be a multiple
of 5; the text ends long before the speech (0.36 s of speech per 10 text tokens), and after `<text_end>` the audio runs
in one piece to `<audio_end>`. That tail is our reading: the paper does not print it. One pair of markers holds one
voice state, so an answer in several voices is several segments.

The sampler asks the machine what may come next, and the parser replays it: what was generated always parses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from aqaa_eval.reference_model.vocabulary import AUDIO_END, AUDIO_START, EOT, N_SPECIALS, TEXT_END, Vocabulary

GROUP = 5  # 2 linguistic then 3 semantic codes
N_LINGUISTIC_IN_GROUP = 2


class Symbol(Enum):
    """What kind of token comes; the value of a special one is its id."""

    AUDIO_START = AUDIO_START
    AUDIO_END = AUDIO_END
    TEXT_END = TEXT_END
    END_OF_TURN = EOT
    TEXT = "text"
    LINGUISTIC = "linguistic"
    SEMANTIC = "semantic"


class Phase(Enum):
    """Where in the answer the next token stands."""

    BEFORE_SEGMENT = 0
    TEXT = 1
    AUDIO_BLOCK = 2
    AUDIO_RUN = 3
    AFTER_SEGMENT = 4
    DONE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An output layout.

    Attributes:
        name: "audio_only", "text_to_audio" or "interleave_N_M".
        n_text: text tokens in a block; 0 without text, None when all text comes first.
        n_audio: audio tokens in a block; 0 when audio comes in one run.
    """

    name: str
    n_text: int | None
    n_audio: int

    @property
    def interleaves(self) -> bool:
        """Whether text and audio alternate in blocks."""
        return self.n_audio > 0


def parse_layout(name: str) -> Layout:
    """Reads a layout's name.

    Raises:
        ValueError: there is no such layout.

    >>> parse_layout("interleave_10_15").n_audio
    15
    >>> parse_layout("6:50").name
    'interleave_6_50'
    """
    if name == "audio_only":
        return Layout(name=name, n_text=0, n_audio=0)
    if name == "text_to_audio":
        return Layout(name=name, n_text=None, n_audio=0)
    match = re.fullmatch(r"(?:interleave_)?([1-9]\d*)[_:]([1-9]\d*)", name)
    if match is None:
        raise ValueError(f"no layout named {name!r}: use audio_only, text_to_audio or interleave_N_M with N, M > 0")
    n_text, n_audio = int(match[1]), int(match[2])
    return Layout(name=f"interleave_{n_text}_{n_audio}", n_text=n_text, n_audio=n_audio)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the machine remembers.

    Attributes:
        phase: where the next token stands.
        n_block: tokens so far in this text or audio block.
        has_text: whether this segment (or, in text_to_audio, the answer) has text already.
        n_audio: audio tokens so far in this segment.
    """

    phase: Phase
    n_block: int = 0
    has_text: bool = False
    n_audio: int = 0

    @property
    def place_in_group(self) -> int:
        """0 or 1 before a linguistic code, 2 to 4 before a semantic one."""
        return self.n_audio % GROUP


def first_state(layout: Layout) -> State:
    """Gives the state before the first token of an answer."""
    return State(phase=Phase.TEXT if layout.n_text is None else Phase.BEFORE_SEGMENT)


def moves(layout: Layout, state: State) -> tuple[Symbol, ...]:
    """Lists what may come next; empty once the turn has ended."""
    audio = Symbol.LINGUISTIC if state.place_in_group < N_LINGUISTIC_IN_GROUP else Symbol.SEMANTIC
    if state.phase is Phase.BEFORE_SEGMENT:
        return (Symbol.AUDIO_START,)
    if state.phase is Phase.TEXT:
        if not state.has_text:
            return (Symbol.TEXT,)
        return (Symbol.TEXT, Symbol.AUDIO_START if layout.n_text is None else Symbol.TEXT_END)
    if state.phase is Phase.AUDIO_BLOCK:
        return (audio,)
    if state.phase is Phase.AUDIO_RUN:
        may_end = state.n_audio > 0 and state.place_in_group == 0
        return (audio, Symbol.AUDIO_END) if may_end else (audio,)
    if state.phase is Phase.AFTER_SEGMENT:
        return (Symbol.END_OF_TURN, Symbol.AUDIO_START)
    return ()


def step(layout: Layout, state: State, symbol: Symbol) -> State:
    """Gives the state after `symbol`, which must be one of `moves`."""
    if symbol is Symbol.END_OF_TURN:
        return State(phase=Phase.DONE)
    if symbol is Symbol.AUDIO_END:
        return State(phase=Phase.AFTER_SEGMENT, has_text=state.has_text)
    if symbol is Symbol.AUDIO_START:
        return State(phase=Phase.TEXT if layout.interleaves else Phase.AUDIO_RUN)
    if symbol is Symbol.TEXT_END:
        return replace(state, phase=Phase.AUDIO_RUN, n_block=0)
    if symbol is Symbol.TEXT:
        if state.n_block + 1 == layout.n_text:
            return replace(state, phase=Phase.AUDIO_BLOCK, n_block=0, has_text=True)
        return replace(state, n_block=state.n_block + 1, has_text=True)
    if state.phase is Phase.AUDIO_BLOCK and state.n_block + 1 == layout.n_audio:
        return replace(state, phase=Phase.TEXT, n_block=0, n_audio=state.n_audio + 1)
    return replace(state, n_block=state.n_block + 1, n_audio=state.n_audio + 1)


def tokens_to_finish(layout: Layout, state: State) -> int:
    """Counts the fewest tokens, end of turn included, after which the answer is complete.

    >>> layout = parse_layout("audio_only")  # start, one group, end, end of turn
    >>> tokens_to_finish(layout, first_state(layout))
    8
    """
    run = Phase.AUDIO_RUN
    if state.phase is Phase.DONE:
        return 0
    if state.phase is Phase.AFTER_SEGMENT:
        return 1
    if state.phase is Phase.AUDIO_RUN:
        return -state.n_audio % GROUP + 2 if state.n_audio else GROUP + 2
    if state.phase is Phase.AUDIO_BLOCK:
        left = layout.n_audio - state.n_block
        return left + 1 + tokens_to_finish(layout, replace(state, phase=run, n_audio=state.n_audio + left))
    if state.phase is Phase.BEFORE_SEGMENT or not state.has_text:
        return 1 + tokens_to_finish(layout, step(layout, state, moves(layout, state)[0]))
    return 1 + tokens_to_finish(layout, State(phase=run, n_audio=state.n_audio))


def moves_within(layout: Layout, state: State, remaining: int) -> tuple[Symbol, ...]:
    """Lists the moves after which the answer can still be completed with `remaining` tokens, this one included."""
    may = moves(layout, state)
    if remaining > 2 * (layout.n_audio + 4 * GROUP):  # far from the limit: nothing to weigh
        return may
    return tuple(symbol for symbol in may if tokens_to_finish(layout, step(layout, state, symbol)) < remaining)


def symbol_of(token_id: int, vocabulary: Vocabulary) -> Symbol | None:
    """Gives the kind of a token; None for ids that no answer holds (other specials, reserved rows)."""
    if token_id < N_SPECIALS:
        return next((s for s in Symbol if s.value == token_id), None)
    if token_id < vocabulary.first_audio_id:
        return Symbol.TEXT
    if not vocabulary.is_audio(token_id):
        return None
    return Symbol.LINGUISTIC if token_id < vocabulary.first_semantic_id else Symbol.SEMANTIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What stands between one pair of audio markers: one voice state.

    Attributes:
        text_ids: its text tokens, in order.
        codes: its merged audio codes, whole groups.
    """

    text_ids: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAnswer:
    """An answer taken apart.

    Attributes:
        text_ids: all text tokens; in text_to_audio they stand before the segments.
        segments: in order.
    """

    text_ids: tuple[int, ...]
    segments: tuple[Segment, ...] = field(default=())

    @property
    def codes(self) -> list[int]:
        """All audio codes, joined."""
        return [code for segment in self.segments for code in segment.codes]


def parse_answer(ids: Sequence[int], layout: Layout, vocabulary: Vocabulary) -> ParsedAnswer:
    """Takes a complete answer apart, by the rules that constrain the sampler.

    Args:
        ids: the answer's tokens, from the first one after the prompt to `<|EOT|>`.
        layout: its layout.
        vocabulary: what the ids mean.

    Raises:
        ValueError: a token stands where the layout has none of its kind, or the answer is not complete.
    """
    state = first_state(layout)
    text: list[int] = []
    segments: list[tuple[list[int], list[int]]] = []
    for place, token_id in enumerate(ids):
        symbol = symbol_of(token_id, vocabulary)
        may = moves(layout, state)
        if symbol is None or symbol not in may:
            expected = " or ".join(move.name.lower() for move in may) or "nothing"
            raise ValueError(f"token {place} of the answer is {token_id}, but {layout.name} has {expected} there")
        state = step(layout, state, symbol)
        if symbol is Symbol.AUDIO_START:
            segments.append(([], []))
        elif symbol is Symbol.TEXT:
            text.append(token_id)
            if segments:
                segments[-1][0].append(token_id)
        elif symbol in (Symbol.LINGUISTIC, Symbol.SEMANTIC):
            segments[-1][1].append(token_id - vocabulary.first_audio_id)
    if state.phase is not Phase.DONE:
        raise ValueError(f"the answer stops after {len(ids)} tokens without <|EOT|>")
    return ParsedAnswer(
        text_ids=tuple(text), segments=tuple(Segment(text_ids=tuple(t), codes=tuple(c)) for t, c in segments)
    )


def write_answer(segments: Sequence[Segment], layout: Layout, vocabulary: Vocabulary) -> list[int]:
    """Writes an answer in a layout; `parse_answer` is its inverse.

    Args:
        segments: voice states in order; each needs whole groups of codes, and text unless the layout is audio_only.
        layout: how text and audio alternate.
        vocabulary: gives the audio ids.

    Returns:
        token ids, from the first after the prompt to `<|EOT|>`.

    Raises:
        ValueError: a segment cannot be written in this layout.
    """
    ids: list[int] = []
    if layout.n_text is None:
        ids += [token for segment in segments for token in segment.text_ids]
    for segment in segments:
        audio = vocabulary.audio_ids(segment.codes)
        if layout.interleaves:
            audio = _interleave(segment.text_ids, audio, layout)
        ids += [AUDIO_START, *audio, AUDIO_END]
    ids.append(EOT)
    parse_answer(ids, layout, vocabulary)
    return ids


def _interleave(text_ids: Sequence[int], audio: Sequence[int], layout: Layout) -> list[int]:
    n_text, n_audio = layout.n_text or 0, layout.n_audio
    n_blocks = len(text_ids) // n_text
    if len(audio) < n_blocks * n_audio:
        raise ValueError(
            f"{len(text_ids)} text tokens fill {n_blocks} blocks of {layout.name}, needing {n_blocks * n_audio} audio "
            f"tokens, and there are {len(audio)}: the speech must not end before the text does"
        )
    ids: list[int] = []
    for block in range(n_blocks):
        ids += text_ids[block * n_text : (block + 1) * n_text]
        ids += audio[block * n_audio : (block + 1) * n_audio]
    return [*ids, *text_ids[n_blocks * n_text :], TEXT_END, *audio[n_blocks * n_audio :]]
