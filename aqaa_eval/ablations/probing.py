"""Arms that are measured on weights and not on answers: all items by all arms in one queue, each result kept at once.

An item is measured in every arm before the next one is, so whatever is there is paired; the same command goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aqaa_eval.ablations.findings import Measured
from aqaa_eval.core.errors import DataError, ModelError
from aqaa_eval.engine.run import Progress, first_interrupt_finishes
from aqaa_eval.engine.store import WHOLE, Record, Store

STEP = "probe"


class Probe(Protocol):
    """One arm that gives the measurements of an item."""

    @property
    def identity(self) -> str:
        """Of all that decides the values."""
        ...

    def measure(self, item: str) -> Mapping[str, float]:
        """Values by measure; what an item cannot show is left out.

        Raises:
            ModelError: the item cannot be measured; it is counted, and the others go on.
        """
        ...


def probe_arms(probes: Mapping[str, Probe], items: Sequence[str], database: Path, *, progress: Progress) -> Measured:
    """Measure what is missing, and give everything.

    Args:
        probes: by arm.
        items: their names, in order.
        database: keeps the results; it is made.
        progress: is told of what is durable.

    Raises:
        DataError: the database cannot be used.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    store = Store(database)
    try:
        found = _stored(store, {arm: probe.identity for arm, probe in probes.items()}, set(items))
        todo = [(item, arm) for item in items for arm in probes if (arm, item) not in found]
        progress.begin(n_jobs=len(items) * len(probes), n_stored=len(found))
        with first_interrupt_finishes() as stopping:
            for item, arm in todo:
                if stopping():
                    break
                body = _measured(probes[arm], item)
                store.commit([_record(item, probes[arm].identity, body)])
                found[arm, item] = body
                progress.advance("judge", [])
    finally:
        store.close()
    return _gathered(found, is_complete=len(found) == len(items) * len(probes))


_Body = dict[str, object]


def _measured(probe: Probe, item: str) -> _Body:
    try:
        return {"values": dict(probe.measure(item)), "problem": ""}
    except ModelError as error:
        return {"values": {}, "problem": str(error)}


def _record(item: str, identity: str, body: _Body) -> Record:
    encoded = json.dumps(body, allow_nan=False).encode()
    return Record(suite=STEP, sample=item, repeat=0, turn=WHOLE, step=STEP, maker=identity, body=encoded)


def _stored(store: Store, identities: Mapping[str, str], items: set[str]) -> dict[tuple[str, str], _Body]:
    arms: dict[str, list[str]] = {}
    for arm, identity in identities.items():
        arms.setdefault(identity, []).append(arm)
    found: dict[tuple[str, str], _Body] = {}
    for record in store.all():
        if record.sample not in items:
            continue
        for arm in arms.get(record.maker, ()):
            try:
                found[arm, record.sample] = json.loads(record.body)
            except ValueError as error:
                raise DataError(f"the stored measurement of {record.sample} is no JSON: {error}") from error
    return found


def _gathered(found: Mapping[tuple[str, str], _Body], *, is_complete: bool) -> Measured:
    values: dict[str, dict[str, dict[str, float]]] = {}
    problems: Counter[tuple[str, str]] = Counter()
    for (arm, item), body in found.items():
        measured = body["values"]
        assert isinstance(measured, dict)  # written by `_record`
        for measure, value in measured.items():
            values.setdefault(measure, {}).setdefault(arm, {})[item] = float(value)
        if body["problem"]:
            problems[arm, str(body["problem"])] += 1
    notes = [f"{arm}: {n} of the items could not be measured: {problem}" for (arm, problem), n in problems.items()]
    return Measured(values=values, notes=tuple(notes), is_complete=is_complete)
