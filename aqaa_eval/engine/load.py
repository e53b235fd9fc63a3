"""A stored run as a `RunLog`: what reports, comparisons and gates read."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runlog import AttemptLog, Manifest, QuestionLog, RunLog, TurnLog
from aqaa_eval.core.shard import Shard
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.records import KINDS, Answer, Heard, decode
from aqaa_eval.engine.run import makers_of
from aqaa_eval.engine.store import WHOLE, Store

_Key = tuple[str, str, int]


def load_run(path: Path) -> RunLog:
    """Read a run folder, or a baseline file that was exported from one.

    Raises:
        DataError: no run lies there, or it is damaged.
    """
    if path.is_file():
        from aqaa_eval.engine.baseline import read_baseline  # rare, and its reader takes a while to make

        return read_baseline(path)
    folder = RunFolder(path)
    spec, manifest, cards, n_planned = folder.read_head()
    not_run = folder.read_not_run()
    store = Store(folder.database, read_only=True)
    try:
        stored = _by_conversation(store, manifest)
    finally:
        store.close()
    order = {name: place for place, name in enumerate(cards)}
    keys = sorted((key for key in stored if key[0] in order), key=lambda key: (order[key[0]], *key[1:]))
    attempts = tuple(_attempt(key, stored[key]) for key in keys)
    return RunLog(
        folder=path,
        spec=spec,
        manifest=manifest,
        cards=cards,
        attempts=attempts,
        n_planned=n_planned,
        not_run=not_run,
        notes=(*_shard_note(manifest.shard, n_planned), *folder.read_notes()),
    )


def _shard_note(shard: Shard | None, n_planned: int) -> tuple[str, ...]:
    if shard is None:
        return ()
    return (f"this is shard {shard} of a run: {n_planned:,} of {shard.n_whole:,} conversations",)


def _by_conversation(store: Store, manifest: Manifest) -> dict[_Key, dict[tuple[str, int], Any]]:
    makers = makers_of(manifest.model, manifest.asr, f"{manifest.judge} on {manifest.asr}")
    stored: dict[_Key, dict[tuple[str, int], Any]] = defaultdict(dict)
    for record in store.all():
        if record.maker == makers[record.step]:
            key = (record.suite, record.sample, record.repeat)
            stored[key][record.step, record.turn] = decode(record.body, KINDS[record.step])
    return stored


def _attempt(key: _Key, stored: dict[tuple[str, int], Any]) -> AttemptLog:
    suite, sample, repeat = key
    lost = [index for step, index in stored if step == "generate" and ("ask", index) not in stored]
    if lost:
        raise DataError(
            f"{suite}/{sample}: the database has an answer to turn {lost[0] + 1} and lost its question; give the "
            "command of the run again"
        )
    turns = tuple(
        _turn(question, stored.get(("generate", index)), stored.get(("transcribe", index)))
        for (step, index), question in sorted(stored.items(), key=lambda item: item[0])
        if step == "ask"
    )
    return AttemptLog(suite=suite, sample=sample, repeat=repeat, turns=turns, scores=stored.get(("judge", WHOLE), ()))


def _turn(question: QuestionLog, answer: Answer | None, heard: Heard | None) -> TurnLog:
    return TurnLog(
        question=question,
        audio=answer.audio if answer else None,
        text=answer.text if answer else None,
        timing=answer.timing if answer else None,
        duration_s=answer.duration_s if answer else None,
        finish=answer.finish if answer else None,
        transcript=heard.transcript if heard else None,
        failure=(answer.failure if answer else None) or (heard.failure if heard else None),
        detail=(answer.detail if answer else "") or (heard.detail if heard else ""),
    )
