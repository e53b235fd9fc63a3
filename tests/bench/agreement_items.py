"""Answers of known worth, three to a question: good (5), partly right (3) and wrong (1), over the nine suites.

`agreement_items.jsonl` was written before any judge saw it and is not tuned to one. Good answers use other words than
the reference where they can, wrong ones often repeat the reference's words. Where the voice is what was asked for, the
three answers have the same words and differ in what is measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.case import Case, CaseTurn

FILE = Path(__file__).parent / "agreement_items.jsonl"
WORTH = {"good": 5.0, "partly": 3.0, "wrong": 1.0}
SYLLABLES_PER_S = 4.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One answer.

    Attributes:
        question: id of its question: three items share one.
        scale: what is graded, "content" or "delivery".
        worth: the level that it was written for.
        measured: its sound in words.
    """

    question: str
    suite: str
    scale: str
    worth: float
    turn: Turn
    answer: str
    measured: str

    def case(self, *, acoustics: bool) -> Case:
        """As a judge gets it."""
        said = CaseTurn(
            asked=self.turn,
            answer=self.answer,
            missing="",
            measured=self.measured if acoustics else "",
            uncertain=(),
            flags=(),
            failure=None,
        )
        return Case(suite=self.suite, turns=(said,))


def load_items(path: Path = FILE) -> list[Item]:
    """All items, three per line of the file; the suites take turns, so that any beginning has all of them."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: row["id"].rpartition("-")[2])
    return [item for row in rows for item in _items(row)]


def _items(row: dict[str, Any]) -> Sequence[Item]:
    turn = Turn(
        audio=None,
        text=row["question"],
        language=row["language"],
        answer_language=row.get("answer_language", row["language"]),
        reference=row["reference"],
    )
    return [
        Item(
            question=row["id"],
            suite=row["suite"],
            scale=row["scale"],
            worth=worth,
            turn=turn,
            answer=row[kind],
            measured=row["measured"][kind] if "measured" in row else ordinary_speech(row[kind]),
        )
        for kind, worth in WORTH.items()
    ]


def ordinary_speech(text: str) -> str:
    """What would be measured in a plain reading: where the voice is not asked for, it tells nothing of the worth.

    >>> ordinary_speech("Six apples are left.")
    '1.2 s of speech; 4.8 syllables/s; level -24 dBFS; pitch 165 Hz, range 5.5 semitones; longest pause 0.2 s'
    """
    n_syllables = sum(1.4 if ord(word[0]) < 0x2E80 else 1.6 * len(word) for word in text.split())
    duration_s = max(0.4, n_syllables / SYLLABLES_PER_S)
    rest = "4.8 syllables/s; level -24 dBFS; pitch 165 Hz, range 5.5 semitones; longest pause 0.2 s"
    return f"{duration_s:.1f} s of speech; {rest}"
