"""What can be named, and what stands behind it: `names` holds the tables, the other files make things of them."""

from aqaa_eval.catalog.ears import make_transcriber
from aqaa_eval.catalog.here import default_asr, default_speech_mos, missing_of
from aqaa_eval.catalog.judging import check_predictors, make_judge, speaker_encoder
from aqaa_eval.catalog.models import build_replay, find_guard, make_model
from aqaa_eval.catalog.names import (
    JUDGES,
    MODELS,
    PREDICTORS,
    SUITE_FORMATS,
    SUITE_SETS,
    TRANSCRIBERS,
    Entry,
    load_object,
)
from aqaa_eval.catalog.suites import make_suites, suites_of

__all__ = [
    "JUDGES",
    "MODELS",
    "PREDICTORS",
    "SUITE_FORMATS",
    "SUITE_SETS",
    "TRANSCRIBERS",
    "Entry",
    "build_replay",
    "check_predictors",
    "default_asr",
    "default_speech_mos",
    "find_guard",
    "load_object",
    "make_judge",
    "make_model",
    "make_suites",
    "make_transcriber",
    "missing_of",
    "speaker_encoder",
    "suites_of",
]
