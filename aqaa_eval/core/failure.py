"""The failure taxonomy: what can go wrong with one answer, and who is to answer for it."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """Why an answer could not be scored as an answer. Each is detected, counted and shown."""

    NO_AUDIO = "no_audio"
    SILENT = "silent"
    CLIPPED = "clipped"
    TRUNCATED = "truncated"
    WRONG_LANGUAGE = "wrong_language"
    LOOPED = "looped"
    ASR_EMPTY = "asr_empty"
    ASR_HALLUCINATED = "asr_hallucinated"
    ASR_FAILED = "asr_failed"
    JUDGE_INVALID = "judge_invalid"
    JUDGE_REFUSED = "judge_refused"
    JUDGE_UNREACHABLE = "judge_unreachable"
    MODEL_ERROR = "model_error"
    TIMEOUT = "timeout"
    BAD_INPUT = "bad_input"

    @property
    def is_no_answer(self) -> bool:
        """True if the model ran and gave nothing that a listener could use: this scores at the floor."""
        return self in NO_ANSWER


NO_ANSWER = frozenset({Failure.NO_AUDIO, Failure.SILENT, Failure.ASR_EMPTY, Failure.ASR_HALLUCINATED})
"""The model ran and said nothing usable. A listener would give the lowest grade, and so do we, with the reason.

Every other kind is either a flag on a real answer (clipped, truncated, looped, wrong language) or a break of the
system (model error, timeout, transcriber, judge): a break is never turned into a score, it is counted as failed.
"""
