"""Answers of a stored run by turn key, for putting them to another chain or beside another model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aqaa_eval.core.attempt import Response
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.remote_audio import open_audio


def run_answers(path: Path) -> Callable[[str], Response | None]:
    """A look-up from turn key ("gaming/g03#0", "gaming/g03@1#0") to the stored response, None if there is none.

    Raises:
        DataError: no run lies there, or it is damaged.
    """
    log = load_run(path)
    audio = open_audio(RunFolder(path).audio, log.manifest.audio_store)
    turns = {f"{attempt.key}#{index}": turn for attempt in log.attempts for index, turn in enumerate(attempt.turns)}

    def lookup(key: str) -> Response | None:
        turn = turns.get(key)
        if turn is None or turn.timing is None or turn.finish is None:
            return None
        sound = audio.get(turn.audio) if turn.audio else None
        return Response(audio=sound, text=turn.text, timing=turn.timing, finish=turn.finish)

    return lookup
