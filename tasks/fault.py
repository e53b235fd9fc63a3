"""What is wrong with one field of one row, and the rules that every text of a manifest is held to."""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of surrogate pairs, and marks that make a text read otherwise than it is written."""
_MARKUP = re.compile(r"(?<!<)</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>(?!>)")


class Fault(Exception):
    """What is wrong with one row."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def refuse_controls(text: str, field: str) -> None:
    r"""Refuse characters that are not text: control characters, halves of surrogate pairs, marks of direction.

    Raises:
        Fault: names the field and shows the text.

    >>> refuse_controls("a\u0007b", "text")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    aqaa_eval.tasks.fault.Fault: 'a\x07b' holds control characters; take them out
    """
    if _CONTROLS.search(text):
        raise Fault(field, f"{_shown(text)} holds control characters; take them out")


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
        raise Fault(field, f"{_shown(text)} holds markup ({found.group()[:40]}); write the words that are said")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
