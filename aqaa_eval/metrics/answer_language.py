"""Whether an answer is in the language that its item demands, by what a recogniser says and by the script.

Careful on purpose: a recogniser takes "Rome." for Italian and a name for Japanese. A flag is raised only where there
is enough to tell by and the recogniser is sure; the flag never turns an answer into a missing one.
"""

from __future__ import annotations

import re

from aqaa_eval.metrics.normaliser import CHARACTER_LANGUAGES, primary_tag, words

MIN_WORDS, MIN_CHARACTERS = 3, 4
MIN_PROBABILITY = 0.6

_KANA, _HAN, _HANGUL = re.compile(r"[\u3041-\u30ff]"), re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[\uac00-\ud7af]")
_FAMILIES = {"yue": "zh", "nb": "no", "nn": "no"}


def script_language(text: str) -> str:
    """The language that a script alone tells: "ja" by kana, "zh" by Han characters, "ko"; "" for any other.

    >>> script_language("猫です"), script_language("猫在这里"), script_language("고양이"), script_language("a cat")
    ('ja', 'zh', 'ko', '')
    """
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return "zh" if _HAN.search(text) else ""


def wrong_language(*, text: str, heard: str, probability: float | None, asked: str) -> str | None:
    """A clause on an answer in another language than the one asked for; None if it is right, or cannot be told.

    Args:
        text: the transcript.
        heard: the recogniser's language tag.
        probability: how sure it is of it; None if it does not say.
        asked: the language tag that the item demands; "" if it demands none.

    >>> wrong_language(text="今天天气很好", heard="zh", probability=0.95, asked="en")
    'heard zh (95 % sure) where en was asked for'
    >>> wrong_language(text="Roma.", heard="it", probability=0.95, asked="en") is None
    True
    >>> wrong_language(text="今天天气很好", heard="yue", probability=None, asked="zh-CN") is None
    True
    """
    heard, asked = _family(heard), _family(asked)
    if not heard or not asked or heard == asked:
        return None
    if probability is not None and probability < MIN_PROBABILITY:
        return None
    is_by_characters = heard in CHARACTER_LANGUAGES
    n_units = len(words(text, language=heard))
    if n_units < (MIN_CHARACTERS if is_by_characters else MIN_WORDS):
        return None
    if heard in ("ja", "zh", "ko") and not script_language(text):
        return None  # Latin letters: a name or a loan, whatever the sound was taken for
    sure = "" if probability is None else f" ({probability:.0%} sure)".replace("%", " %")
    return f"heard {heard}{sure} where {asked} was asked for"


def _family(language: str) -> str:
    tag = primary_tag(language)
    return _FAMILIES.get(tag, tag)
