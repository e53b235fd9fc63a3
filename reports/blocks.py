"""The conversations and their sound as data blocks of the page: inert text, read by the page's script on demand.

A block is a script element of a type that no browser runs. Inside one nothing is markup but the end tag, so every angle
bracket is written as a JSON escape; sound is base64, which holds none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aqaa_eval.core.runlog import AttemptLog
from aqaa_eval.reports.body import body_of
from aqaa_eval.reports.recordings import Recording
from aqaa_eval.reports.view import ItemView, item_view

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def safe_json(values: object) -> str:
    r"""JSON that cannot end the element it stands in.

    >>> safe_json({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = _COMPACT.encode(values)
    for character, escape in _ESCAPES.items():  # a hundred times as fast as `str.translate`
        text = text.replace(character, escape)
    return text


def json_block(name: str, values: object) -> str:
    """One data block with an id of our own."""
    return f'<script type="application/json" id="{name}">{safe_json(values)}</script>\n'


def item_blocks(
    attempts: Sequence[AttemptLog], recordings: Mapping[str, Recording], metrics: Sequence[str]
) -> Iterator[str]:
    """A block "sound-N" per recording that the page carries, "data-N" per conversation, then the list "index".

    Args:
        attempts: in the order of the page.
        recordings: by file name.
        metrics: names by which the list can be filtered.
    """
    carried = [name for name, recording in recordings.items() if recording.is_embedded]
    places = {name: place for place, name in enumerate(carried)}
    for place, name in enumerate(carried):
        yield f'<script type="text/plain" id="sound-{place}">{recordings[name].source}</script>\n'
    rows = []
    for place, attempt in enumerate(attempts):
        rows.append(_row(item_view(attempt), metrics))
        yield json_block(f"data-{place}", body_of(attempt, recordings, places))
    yield json_block("index", {"metrics": list(metrics), "items": rows})


def _row(item: ItemView, metrics: Iterable[str]) -> dict[str, Any]:
    return {
        "anchor": item.anchor,
        "key": item.key,
        "suite": item.suite,
        "lead": item.lead,
        "mos": item.mos,
        "values": [_short(item.values.get(metric)) for metric in metrics],
        "split": _short(item.split),
        "gap": _short(item.gap),
        "languages": item.languages,
        "kinds": item.kinds,
        "passed": item.n_passed,
        "checks": item.n_checks,
    }


def _short(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None
