"""From the rows of a table to the rows of a manifest: one conversation each, with its turns in order.

A conversation may be one row (a single question, lists of recordings and texts, or a list of turns as objects) or
several rows that share a conversation's id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aqaa_eval.tasks.fault import Fault, shown
from aqaa_eval.tasks.languages import guess_language
from aqaa_eval.tasks.outside.columns import Layout, find_layout
from aqaa_eval.tasks.outside.embedded import Embedded
from aqaa_eval.tasks.outside.fields import language_tag, plain_name
from aqaa_eval.tasks.outside.table import Row, Table, as_list, columns_of_objects

Resolve = Callable[[str], Any]
"""From the name of a recording in a row to a path below the root, or to the recording itself; may raise `Fault`."""
_ANSWERERS = frozenset({"assistant", "gpt", "bot", "model", "ai", "chatbot", "助手"})
_SYSTEM = frozenset({"system", "系统"})
_PASSED_ON = ("sha256", "checks", "checklist")
_PER_TURN = ("audio", "text", "reference", "rubric", "language", "answer_language", "voice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One conversation in the form of a manifest, or what is wrong with it.

    Attributes:
        line: of its first row.
        category: as the table has it; "" if it has none.
    """

    line: int
    id: str
    category: str = ""
    turns: tuple[Mapping[str, Any], ...] = ()
    fault: Fault | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The manifest's row."""
        return {"id": self.id, "turns": list(self.turns)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """How the rows of a table become conversations.

    Attributes:
        layout: column names by field.
        inner: names by field within lists of objects, where they are given by hand.
        resolve: from the name of a recording to where it is.
        language: of questions that do not tell, and whose words do not either; "" if it is not known.
        is_written: the questions have no sound, and are read.
    """

    layout: Layout
    resolve: Resolve
    inner: Layout = field(default_factory=dict)
    language: str = ""
    is_written: bool = False

    def names_files(self, table: Table) -> bool:
        """Whether a row names a recording that lies elsewhere."""
        plain = replace(self, resolve=str)
        return any(isinstance(turn.get("audio"), str) for draft in plain.drafts(table) for turn in draft.turns)

    def drafts(self, table: Table) -> Iterator[Draft]:
        """The conversations in the order of their first rows."""
        groups: dict[str, list[Row]] = {}
        key = self._key(table)
        for number, row in enumerate(table.rows):
            shared = _cell(row, key) if key else None
            groups.setdefault(f"row {number}" if shared is None else f"id {shared}", []).append(row)
        for place, rows in enumerate(groups.values()):
            yield self._draft(rows, f"{place:05d}")

    def _key(self, table: Table) -> str:
        """The column that rows of one conversation share; "" if every row is one."""
        if "conversation" in self.layout:
            return self.layout["conversation"][0]
        name = self.layout["id"][0] if "id" in self.layout and "turn" in self.layout else ""
        values = [_cell(row, name) for row in table.rows] if name else []
        return name if len(set(map(str, values))) < len(values) else ""

    def _draft(self, rows: list[Row], default_id: str) -> Draft:
        first = rows[0]
        given = self._value(first, "conversation") if len(rows) > 1 or "id" not in self.layout else None
        given = self._value(first, "id") if given is None else given
        sample_id = slug(str(given)) if given is not None else default_id
        category = self._value(first, "category")
        draft = Draft(line=first.line, id=sample_id, category="" if category is None else str(category))
        try:
            turns = [turn for row in self._ordered(rows) for turn in self._turns(row)]
            if not turns:
                raise Fault("turns", "there is no question in it")
        except Fault as fault:
            return Draft(line=draft.line, id=draft.id, category=draft.category, fault=fault)
        return Draft(line=draft.line, id=draft.id, category=draft.category, turns=tuple(turns))

    def _ordered(self, rows: list[Row]) -> list[Row]:
        for row in rows:
            if row.fault is not None:
                raise row.fault
        if len(rows) == 1 or "turn" not in self.layout:
            return rows
        places = [_place(self._value(row, "turn")) for row in rows]
        twice = next((place for place in places if places.count(place) > 1), None)
        if twice is not None and "role" not in self.layout:
            raise Fault(self.layout["turn"][0], f"turn {twice:g} is there {places.count(twice)} times; number them")
        return [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])]

    def _turns(self, row: Row) -> list[dict[str, Any]]:
        entries = as_list(self._value(row, "turns")) if "turns" in self.layout else None
        if isinstance(entries, list) and entries and all(isinstance(entry, dict) for entry in entries):
            return self._listed(entries)
        return self._parallel(row)

    def _listed(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The turns of a list of objects; what an assistant says there is a good answer to the question before."""
        inner = Assembly(
            layout=find_layout(columns_of_objects(entries), self.inner), resolve=self.resolve, language=self.language
        )
        turns: list[dict[str, Any]] = []
        for entry in entries:
            row = Row(line=0, values=entry)
            role = plain_name(str(inner._value(row, "role") or ""))
            if role in _ANSWERERS:
                said = _clean(inner._value(row, "text"))
                if turns and said:
                    turns[-1].setdefault("reference", said)
            elif role not in _SYSTEM:
                turns += inner._parallel(row)
        return turns

    def _parallel(self, row: Row) -> list[dict[str, Any]]:
        """The turns of fields that hold one value each, or lists of equal length."""
        found = {name: self._several(row, name) for name in _PER_TURN}
        n_turns = 1 if self.is_written else max(1, len(found["audio"]))
        for name, values in found.items():
            # Several answers to fewer questions are all right ones, to the last.
            if name != "reference" and len(values) not in (0, 1, n_turns):
                raise Fault(name, f"{len(values)} of it for {n_turns} recordings; give one for each")
        turns = [self._turn(found, index, n_turns) for index in range(n_turns)]
        for name in _PASSED_ON:
            value = as_list(self._value(row, name))
            if value is not None:
                turns[-1][name] = value
        duration = self._value(row, "duration_s")
        if isinstance(duration, int | float) and n_turns == 1:
            turns[0]["duration_s"] = duration
        return turns

    def _turn(self, found: Mapping[str, list[Any]], index: int, n_turns: int) -> dict[str, Any]:
        def pick(name: str) -> Any:
            values = found[name]
            if name == "reference" and len(values) not in (1, n_turns):
                return " / ".join(map(str, values)) if index == n_turns - 1 else None
            # One text for several recordings is the first question; one language is that of all.
            is_of_one = name in ("text", "reference") and n_turns > 1
            return values[index] if len(values) == n_turns else values[0] if values and not is_of_one else None

        turn: dict[str, Any] = {
            name: cleaned for name in ("text", "reference", "rubric", "voice") if (cleaned := _clean(pick(name)))
        }
        turn["language"] = self._language(pick("language"), turn.get("text", ""))
        wanted = language_tag(str(pick("answer_language") or ""))
        if wanted:
            turn["answer_language"] = wanted
        if self.is_written:
            turn["audio"] = None
            turn["checks"] = [_exactly(found["reference"], turn["language"])] if found["reference"] else []
        else:
            sound = pick("audio")
            if sound is not None:
                turn["audio"] = sound if isinstance(sound, Embedded) else self.resolve(str(sound))
        return turn

    def _language(self, given: Any, text: str) -> str:
        return (language_tag(str(given)) if given else "") or guess_language(text) or self.language or "und"

    def _several(self, row: Row, what: str) -> list[Any]:
        values: list[Any] = []
        for name in self.layout.get(what, ()):
            value = as_list(_cell(row, name))
            values += value if isinstance(value, list) else [] if value is None or value == "" else [value]
        return values

    def _value(self, row: Row, what: str) -> Any:
        names = self.layout.get(what)
        return _cell(row, names[0]) if names else None


def slug(text: str) -> str:
    """An id that may name files: other characters become a dash.

    >>> slug("usa/17 b"), slug("对话1"), slug("..")
    ('usa-17-b', '对话1', 'x..')
    """
    safe = re.sub(r"[^\w.-]+", "-", text.strip())[:100]
    return safe if safe.strip(".") else f"x{safe}"


def _cell(row: Row, name: str) -> Any:
    return row.values.get(name) if row.values is not None else None


def _place(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Fault("turn", f"{shown(value)} is no number of a turn") from error


def _clean(value: Any) -> str:
    """The text of a cell, its line breaks and tabs as spaces; other control characters are told later."""
    if value is None or isinstance(value, list | dict):
        return ""
    # Not one pattern with spaces on both sides: that takes hours on a million spaces.
    return " ".join(filter(None, map(str.strip, re.split(r"[\t\r\n\v\f]+", str(value)))))


def _exactly(answers: list[Any], language: str) -> dict[str, Any]:
    words = [text for answer in answers if (text := _clean(answer))]
    return {"name": "answers_exactly", "params": {"words": words, "language": language}}
