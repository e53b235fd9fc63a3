"""What the page says of itself, in English and Chinese; what comes from a run is never translated.

The words stand in `templates/report/texts.json` (key: English, Chinese) and `names.json` (metrics and failures, whose
English names are those of `labels`). The page carries both languages and switches without loading anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aqaa_eval.core.failure import Failure
from aqaa_eval.reports.labels import failure_title, metric_note, metric_title

if TYPE_CHECKING:
    from markupsafe import Markup

LANGUAGES = ("en", "zh")
Texts = Mapping[str, tuple[str, str]]
Argument = str | int


def _table(name: str) -> dict[str, list[str]]:
    path = files("aqaa_eval.reports") / "templates" / "report" / name
    table: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return table


@cache
def page_texts() -> Texts:
    """The fixed words of the page by key, (English, Chinese)."""
    return {key: (english, chinese) for key, (english, chinese) in _table("texts.json").items()}


def texts_for(metrics: Iterable[str]) -> Texts:
    """The fixed words, and the names of all failures and of the metrics that a run has.

    A metric that is not ours keeps its own name in both languages.
    """
    names = _table("names.json")
    found = dict(page_texts())
    for kind in Failure:
        found[f"failure.{kind.value}"] = (failure_title(kind), names[f"failure.{kind.value}"][0])
    for metric in metrics:
        title, note = names.get(f"metric.{metric}", (metric_title(metric), metric_note(metric)))
        found[f"metric.{metric}"] = (metric_title(metric), title)
        found[f"note.{metric}"] = (metric_note(metric), note)
    return found


def fill(text: str, *values: Argument) -> str:
    """Put values into a text; "one|many" is chosen by the first value. The page's script does the same.

    >>> fill("{0} recording|{0} recordings", 1), fill("{0} recording|{0} recordings", 2000)
    ('1 recording', '2,000 recordings')
    >>> fill("{1} of {0}", "{1}", "b")
    'b of {1}'
    """
    if not values:
        return text
    one, _, many = text.partition("|")
    chosen = many if many and values[0] != 1 else one
    return re.sub(r"\{(\d)\}", lambda place: _told(values[int(place[1])]), chosen)


def _told(value: Argument) -> str:
    return f"{value:,}" if isinstance(value, int) else value


class Writer:
    """Writes words into templates so that the page's script can write them again in the other language."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def english(self, key: str, *values: Argument) -> str:
        """The words alone."""
        return fill(self._texts[key][0], *values)

    def words(self, key: str, *values: Argument) -> Markup:
        """The words as an element."""
        from markupsafe import Markup

        return Markup("<span{}>{}</span>").format(self.mark(key, *values), self.english(key, *values))

    def mark(self, key: str, *values: Argument) -> Markup:
        """Attributes of an element whose whole text is this, for where no element may stand inside (option, title)."""
        from markupsafe import Markup

        arguments = Markup(' data-a="{}"').format(json.dumps(values, ensure_ascii=False)) if values else Markup("")
        return Markup(' data-t="{}"{}').format(key, arguments)

    def label(self, key: str, *values: Argument, name: str = "aria-label") -> Markup:
        """An attribute with its words; an element has one such at the most."""
        from markupsafe import Markup

        told = json.dumps([name, key, *values], ensure_ascii=False)
        return Markup(' {}="{}" data-l="{}"').format(name, self.english(key, *values), told)
