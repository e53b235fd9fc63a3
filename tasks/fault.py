"""What is wrong with one field of one row, and the rules that every text of a manifest is held to."""

from __future__ import annotations

import re
import reprlib

from aqaa_eval.core.visible import CONTROLS, visible

_MARKUP = re.compile(r"(?<!<)</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>(?!>)")


class Fault(Exception):
    """What is wrong with one row."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(visible(message))
        self.field = visible(field)


def refuse_controls(text: str, field: str) -> None:
    r"""Refuse characters that are not text: control characters, halves of surrogate pairs, marks of direction.

    Raises:
        Fault: names the field and shows the text.

    >>> refuse_controls("a\u0007b", "text")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    aqaa_eval.tasks.fault.Fault: 'a\x07b' holds control characters; take them out
    """
    if CONTROLS.search(text):
        raise Fault(field, f"{shown(text)} holds control characters; take them out")


def refuse_markup(text: str, field: str) -> None:
    """Refuse tags in what is said to be spoken words.

    Raises:
        Fault: names the field and the tag.

    >>> refuse_markup("is 3 < 5 and 7 > 2? write <<title>>", "text")
    >>> refuse_markup("<b>Loud</b>", "text")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    aqaa_eval.tasks.fault.Fault: '<b>Loud</b>' holds markup (<b>); write the words that are said
    """
    found = _MARKUP.search(text)
    if found:
        raise Fault(field, f"{shown(text)} holds markup ({found.group()[:40]}); write the words that are said")


def shown(value: object) -> str:
    """A value as a message shows it: a million digits are nobody's message.

    >>> len(shown("a" * 1000)), shown([1, 2])
    (82, '[1, 2]')
    """
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else f"{value[:77]}...")
    if isinstance(value, int) and abs(value) > 10**80:  # Python refuses to write thousands of digits
        return "an integer of more than 80 digits"
    text = reprlib.repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
