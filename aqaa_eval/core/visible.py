r"""Characters that are not text: they move the cursor, turn the direction of reading, or hide words from people.

Scripts that are written from right to left are text, and so are the joiners that they and emoji need. What is refused
in data and escaped on a terminal: control characters, halves of surrogate pairs, separators of lines, marks that
overrule the direction, and tag characters, which spell ASCII that nobody sees.
"""

from __future__ import annotations

import re
import unicodedata

CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_UNPRINTED = re.compile(CONTROLS.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def visible(text: str) -> str:
    r"""The text with every such character but the line break written out, for a terminal or a log.

    >>> visible("a\x1b[2Jb\n\u202ec")
    'a\\x1b[2Jb\n\\u202ec'
    """
    return _UNPRINTED.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


def is_blank(text: str) -> bool:
    r"""Whether nothing of a text can be seen: it has no characters, spaces, or only such as have no shape.

    >>> is_blank(" \u200b\u2060\ufeff"), is_blank("\u05e9\u05dc\u05d5\u05dd"), is_blank("a\u200bb")
    (True, False, False)
    """
    return not any(not char.isspace() and unicodedata.category(char) not in ("Cf", "Cc", "Cs") for char in text)
