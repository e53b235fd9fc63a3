"""Numbers as they are said: digits, English, Spanish, French and German words, Chinese and Japanese signs."""

from __future__ import annotations

import re
import unicodedata

from aqaa_eval.metrics.normaliser import normalise, primary_tag
from aqaa_eval.tasks.wording import clauses

_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_CJK = re.compile(r"[\d.〇零一二两三四五六七八九十百千万点]+")
_CJK_DIGITS = {sign: value for value, sign in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000}
_UP_TO_TWENTY = {
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
    "dix-sept dix-huit dix-neuf vingt",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn zwanzig",
}
_TENS = {
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
    "fr": "trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix cent",
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
}


def numbers_in(text: str, *, language: str) -> list[float]:
    """All numbers that are said, in order.

    >>> numbers_in("Twenty-one, then three. Or 4.5?", language="en")
    [21.0, 3.0, 4.5]
    >>> numbers_in("答えは十二です。二千二十四年。", language="ja")
    [12.0, 2024.0]
    >>> numbers_in("Son siete, no 8.", language="es")
    [7.0, 8.0]
    """
    primary = primary_tag(language)
    if primary in ("ja", "zh", "yue"):
        return _cjk_numbers(unicodedata.normalize("NFKC", text))
    if primary in _UP_TO_TWENTY:
        return _from_table(text.lower(), primary)
    text = re.sub(r"\bo['’]?\s?clock\b", "", text, flags=re.IGNORECASE)  # the normaliser reads its "o" as a zero
    # Clause by clause: the English normaliser would join "three, two, one" to 321.
    parts = (normalise(part, language="en") for part in clauses(text.replace("-", " ")))
    return [float(found) for part in parts for found in _DIGITS.findall(part)]


def _from_table(text: str, language: str) -> list[float]:
    values = {word: value for value, word in enumerate(_UP_TO_TWENTY[language].split())}
    values |= {word: 10 * tens for tens, word in enumerate(_TENS[language].split(), 3)}
    found = []
    for word in re.findall(r"\d+(?:[.,]\d+)?|[\w-]+", text):
        if word in values:
            found.append(float(values[word]))
        elif word[0].isdigit():
            found.append(float(word.replace(",", ".").rstrip("-")))
    return found


def _cjk_numbers(text: str) -> list[float]:
    found = []
    for run in _CJK.findall(text.replace(",", "").replace("兩", "两").replace("點", "点")):
        value = _cjk_value(run.strip("."))
        if value is not None:
            found.append(value)
    return found


def _cjk_value(run: str) -> float | None:
    """One run of number signs.

    >>> _cjk_value("百五"), _cjk_value("三点一四"), _cjk_value("2万500"), _cjk_value("一二三")
    (105.0, 3.14, 20500.0, 123.0)
    """
    whole, _, decimals = run.partition("点")
    high, wan, low = whole.rpartition("万")
    value = _below_wan(low)
    if wan:
        value = (_below_wan(high) or 1) * 10_000 + (value or 0)
    if value is None or not decimals:
        return value
    return float(f"{value:g}." + "".join(str(_CJK_DIGITS.get(sign, sign)) for sign in decimals))


def _below_wan(run: str) -> float | None:
    plain = "".join(str(_CJK_DIGITS.get(sign, sign)) for sign in run)
    if not run:
        return None
    if not any(sign in _CJK_UNITS for sign in run):
        return float(plain) if _DIGITS.fullmatch(plain) else None
    total, current = 0.0, ""
    for sign in plain:
        if sign in _CJK_UNITS:
            total += (float(current) if current else 1.0) * _CJK_UNITS[sign]
            current = ""
        else:
            current += sign
    return total + (float(current) if _DIGITS.fullmatch(current) else 0.0)
