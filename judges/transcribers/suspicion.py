"""Tell a transcript from what a recogniser makes up: loops, more words than the speech has room for, mere guesses."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from aqaa_eval.core.failure import Failure
from aqaa_eval.metrics.normaliser import CHARACTER_LANGUAGES, primary_tag, words

MAX_WORDS_PER_S = 8.0  # the fastest speakers reach 6 to 7
MAX_CHARACTERS_PER_S = 18.0
RATE_ALLOWANCE = 3  # words; the detector may miss a syllable at either end
MAX_COMPRESSION_RATIO = 2.4  # Whisper's own limit
MIN_REPEATS, MIN_LOOP_WORDS, MAX_PERIOD_WORDS = 5, 5, 24
GUESS_CONFIDENCE, GUESS_LOG_PROBABILITY = 0.4, -1.0
NO_SPEECH_PROBABILITY, NO_SPEECH_CONFIDENCE = 0.6, 0.5  # a lone, real "yes" comes at 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What a recogniser says of one clip.

    Attributes:
        text: the words.
        language: of the words.
        speech_s: seconds of speech in the clip, by the detector.
        confidence: mean word probability in [0, 1]; None where the recogniser gives none.
        log_probability: mean over the tokens; None if the decoding does not give the model's own.
        no_speech: the recogniser's probability that there is no speech.
    """

    text: str
    language: str
    speech_s: float
    confidence: float | None
    log_probability: float | None
    no_speech: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Why a hypothesis is not to be believed: LOOPED or ASR_HALLUCINATED, with a clause that says it."""

    failure: Failure
    note: str


def find_suspicion(hypothesis: Hypothesis) -> Suspicion | None:
    """Look for what betrays an invented transcript; None if nothing does.

    More words than there is room for, and guesses, are hallucinations. A loop that fits the speech may well have been
    spoken by a model that got stuck: it is LOOPED, and its words are kept.
    """
    spoken = words(hypothesis.text, language=hypothesis.language)
    is_characters = primary_tag(hypothesis.language) in CHARACTER_LANGUAGES
    if not spoken:
        return None
    room = (MAX_CHARACTERS_PER_S if is_characters else MAX_WORDS_PER_S) * hypothesis.speech_s + RATE_ALLOWANCE
    if len(spoken) > room:
        note = f"{len(spoken)} words in {hypothesis.speech_s:.1f} s of speech, which has room for {room:.0f}"
        return Suspicion(failure=Failure.ASR_HALLUCINATED, note=note)
    if _is_guess(hypothesis):
        probability = "unknown" if hypothesis.confidence is None else f"{hypothesis.confidence:.2f}"
        note = f"a guess: mean word probability {probability}, no-speech {hypothesis.no_speech:.2f}"
        return Suspicion(failure=Failure.ASR_HALLUCINATED, note=note)
    n_looped = longest_loop(spoken)
    if n_looped * 2 >= len(spoken) and n_looped >= MIN_LOOP_WORDS:
        return Suspicion(failure=Failure.LOOPED, note=f"{n_looped} of {len(spoken)} words repeat themselves")
    ratio = compression_ratio(hypothesis.text)
    if ratio > MAX_COMPRESSION_RATIO:
        note = f"the text shrinks {ratio:.1f} times when compressed; {MAX_COMPRESSION_RATIO:g} is the limit"
        return Suspicion(failure=Failure.LOOPED, note=note)
    return None


def longest_loop(spoken: list[str]) -> int:
    """Length in words of the longest stretch in which a phrase comes five times in a row or more; 0 if there is none.

    >>> longest_loop("well i do i do i do i do i do not".split())
    10
    >>> longest_loop("row row row your boat".split())
    0
    """
    longest = 0
    for period in range(1, min(MAX_PERIOD_WORDS, len(spoken) // MIN_REPEATS) + 1):
        run = 0
        for index in range(period, len(spoken)):
            run = run + 1 if spoken[index] == spoken[index - period] else 0
            if run + period >= MIN_REPEATS * period:
                longest = max(longest, run + period)
    return longest


def compression_ratio(text: str) -> float:
    """Bytes over bytes after zlib: about 1 for a sentence, above 2.4 for a loop.

    >>> compression_ratio("A sentence that says something once.") < 1.2 < 5 < compression_ratio("and then " * 40)
    True
    """
    encoded = text.strip().encode()
    return len(encoded) / len(zlib.compress(encoded))


def _is_guess(hypothesis: Hypothesis) -> bool:
    confidence, log_probability = hypothesis.confidence, hypothesis.log_probability
    if confidence is None:  # then the mean over the tokens has to tell, and the no-speech probability alone does not
        return log_probability is not None and log_probability < GUESS_LOG_PROBABILITY
    is_unsure = confidence < GUESS_CONFIDENCE and (log_probability is None or log_probability < GUESS_LOG_PROBABILITY)
    is_no_speech = hypothesis.no_speech > NO_SPEECH_PROBABILITY and confidence < NO_SPEECH_CONFIDENCE
    return is_unsure or is_no_speech
