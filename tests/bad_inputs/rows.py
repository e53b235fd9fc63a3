"""Rows of a manifest that lie, hide, reach out or are too much, each with what is said of it; and strange good ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

GOOD_TURN = {"audio": "audio/good.wav", "text": "How many?", "language": "en", "reference": "Two."}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of `samples.jsonl`.

    Attributes:
        name: of the case.
        line: its bytes, without the line break.
        error: the finding without file and line, see `containment.pattern`; "" if the row is taken.
    """

    name: str
    line: bytes
    error: str = ""


def turn(name: str, error: str = "", **changes: Any) -> Row:
    """A row of one turn that is good but for some fields."""
    values = {"id": name, "turns": [{**GOOD_TURN, **changes}]}
    return Row(name=name, line=json.dumps(values).encode(), error=error)


def text(name: str, said: str, error: str = "") -> Row:
    return turn(name, error, text=said)


def literal(name: str, field: str, error: str) -> Row:
    """A row with a field that JSON's writer would not write."""
    plain = json.dumps({"id": name, "turns": [GOOD_TURN]})
    return Row(name=name, line=plain.replace('"language"', f'{field}, "language"').encode(), error=error)


def whole(name: str, line: bytes, error: str) -> Row:
    return Row(name=name, line=line, error=error)


def _check(**params: Any) -> list[dict[str, Any]]:
    return [{"name": "says_number", "params": params}]


CONTROLS = "holds control characters; take them out"
LEAVES = "leaves the suite's folder; give a path below it, with '/'"
NO_DURATION = "turns[0].duration_s: must be a number of seconds above 0, got"
NO_NUMBER = "turns[0].checks[0]: says_number: value must be a number, got"

ROWS = (
    # JSON.
    whole("cut", b'{"id": "cut", "turns": [', "not JSON: ~; write one conversation per line"),
    whole("list", b"[1, 2]", "a line is an object with id and turns, this is a list"),
    whole("null", b"null", "a line is an object with id and turns, this is a NoneType"),
    whole("nested", b"[" * 100_000, "not JSON: maximum recursion depth exceeded~; write one conversation per line"),
    whole("nested-objects", b'{"a":' * 100_000, "not JSON: maximum recursion~; write one conversation per line"),
    whole("2-mb", b'{"id": "' + b"x" * (2 << 20) + b'"}', "# bytes; a line holds at most 1048576"),
    whole("zeros", bytes(1000), "not JSON: ~; write one conversation per line"),
    whole("latin-1", '{"id": "é"}'.encode("latin-1"), "not ~; save it as UTF-8"),
    whole("utf-16", '{"id": "a"}'.encode("utf-16"), "not ~"),
    whole("5000-digits", b'{"id": "a", "turns": ' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit ~"),
    whole("no-turns", b'{"id": "a"}', "turns: must be a list of at least one turn"),
    whole("turns-of-text", b'{"id": "a", "turns": ["b"]}', "turns[0]: a turn is an object, this is a str"),
    whole("escaped-field", b'{"id": "a", "\\u001b[2J": 1}', "\\x1b[2J: is no field here; fields are id, turns"),
    # Ids, which name files.
    whole("no-id", b'{"turns": []}', "id: is missing"),
    whole("id-dots", b'{"id": "..", "turns": []}', "id: '..' must be more than dots, of at most 100 characters"),
    whole("id-path", b'{"id": "../../x", "turns": []}', "id: '../../x' may hold letters~: it names files of a run"),
    whole("id-line", b'{"id": "a\\nb", "turns": []}', f"id: 'a\\nb' {CONTROLS}"),
    whole("id-bidi", b'{"id": "a\\u202eb", "turns": []}', f"id: 'a\\u202eb' {CONTROLS}"),
    whole("id-hidden", b'{"id": "a\\u200bb", "turns": []}', "id: 'a\\u200bb' may hold letters~"),
    whole("id-long", b'{"id": "' + b"a" * 101 + b'", "turns": []}', "id: ~ of at most 100 characters"),
    whole("id-number", b'{"id": 7, "turns": []}', "id: must be a text, got 7"),
    # Paths.
    turn("up", f"turns[0].audio: '../a.wav' {LEAVES}", audio="../a.wav"),
    turn("up-inside", f"turns[0].audio: 'audio/../../a.wav' {LEAVES}", audio="audio/../../a.wav"),
    turn("absolute", f"turns[0].audio: '/etc/passwd' {LEAVES}", audio="/etc/passwd"),
    turn("backslash", f"turns[0].audio: '..\\\\a.wav' {LEAVES}", audio="..\\a.wav"),
    turn("address", f"turns[0].audio: 'file:///etc/passwd' {LEAVES}", audio="file:///etc/passwd"),
    turn("folder-itself", f"turns[0].audio: '.' {LEAVES}", audio="."),
    turn("nul", f"turns[0].audio: 'a\\x00.wav' {CONTROLS}", audio="a\0.wav"),
    turn(
        "link",
        "turns[0].audio: 'audio/link.wav' is a link; put the recording itself into the folder",
        audio="audio/link.wav",
    ),
    turn(
        "linked-folder",
        "turns[0].audio: 'out/a.wav' leaves the suite's folder by a link; put the folder itself there",
        audio="out/a.wav",
    ),
    turn(
        "long-path",
        "turns[0].audio: ~ is longer than the name of a file can be; shorten it",
        audio="a" * 300 + ".wav",
    ),
    turn("no-path", "turns[0].audio: must be a text, got 7", audio=7),
    # Numbers.
    literal("nan", '"duration_s": NaN', f"{NO_DURATION} nan"),
    literal("infinite", '"duration_s": 1e999', f"{NO_DURATION} inf"),
    literal("huge", '"duration_s": 1' + "0" * 400, f"{NO_DURATION} an integer of more than 80 digits"),
    turn("negative", f"{NO_DURATION} -1", duration_s=-1),
    turn("zero", f"{NO_DURATION} 0", duration_s=0),
    turn("true", f"{NO_DURATION} True", duration_s=True),
    literal("check-nan", '"checks": [{"name": "says_number", "params": {"value": NaN}}]', f"{NO_NUMBER} nan"),
    turn("check-huge", f"{NO_NUMBER} an integer of more than 80 digits", checks=_check(value=10**400)),
    turn("check-text", f"{NO_NUMBER} '2'", checks=_check(value="2")),
    turn("check-code", "turns[0].checks[0]: no check named '__import__'~", checks=[{"name": "__import__"}]),
    turn("checks-nested", "turns[0].checks[0]: ~", checks=[[[[[]]]]]),
    turn("performance", "turns[0].performance[0]~", performance=[{"say": {"a": 1}}]),
    # Texts.
    text("bell", "ring \a", f"turns[0].text: 'ring \\x07' {CONTROLS}"),
    text("escape", "\x1b]0;title\a", f"turns[0].text: '\\x1b]0;title\\x07' {CONTROLS}"),
    text("c1", "a\x9b2Jb", f"turns[0].text: 'a\\x9b2Jb' {CONTROLS}"),
    text("override", "say \u202egnp", f"turns[0].text: 'say \\u202egnp' {CONTROLS}"),
    text("isolate", "say \u2066png\u2069", f"turns[0].text: 'say \\u2066png\\u2069' {CONTROLS}"),
    text("tags", "hi\U000e0069\U000e0067", f"turns[0].text: 'hi\\U000e0069\\U000e0067' {CONTROLS}"),
    text("separator", "one\u2028two", f"turns[0].text: 'one\\u2028two' {CONTROLS}"),
    text("half", "half \ud83d", f"turns[0].text: 'half \\ud83d' {CONTROLS}"),
    text("nothing-to-see", "\u200b\u2060\ufeff", "turns[0].text: must be a text, got '\\u200b\\u2060\\ufeff'"),
    text("markup", "<img src=x onerror=alert(1)>", "turns[0].text: ~ holds markup ~; write the words that are said"),
    turn("rubric-escape", f"turns[0].rubric: '\\x1b[31mred' {CONTROLS}", rubric="\x1b[31mred"),
    turn("nested-text", "turns[0].text: must be a text, got ~", text=[[[[["a"]]]]]),
    # Strange, and taken.
    text("hebrew", "\u05de\u05d4 \u05d4\u05e9\u05e2\u05d4?"),
    text("arabic", "\u0643\u0645 \u0627\u0644\u0633\u0627\u0639\u0629\u061f \u200f2"),
    text("persian-joiner", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    text("emoji-joiner", "\U0001f468\u200d\U0001f469\u200d\U0001f467 waves"),
    text("hidden-space", "zero\u200bwidth"),
    text("combining", "e\u0301" * 200),
    text("template", "{{ 6 * 7 }} {% raw %} ${HOME} $(reboot) %s %n"),
    text("long", "word " * 20_000),
)
"""The order is that of the lines in the manifest."""
