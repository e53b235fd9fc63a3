"""`reference`, `reference:tiny-random` or `reference:PATH`: the bundled Step-Audio-AQAA as a model under test.

Answers are streamed, so the time to first audio is the real one. Earlier answers go back as their text, as the
published training replaces earlier audio turns by transcripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.core.attempt import Finish, Message, Query, Response
from aqaa_eval.core.audio import from_samples
from aqaa_eval.core.errors import ModelError, UsageError
from aqaa_eval.core.pieces import ResponsePiece, joined

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue
    from aqaa_eval.reference_model.conversation import Utterance
    from aqaa_eval.reference_model.model import AnswerChunk, AnswerOptions, StepAudioAQAA

DEFAULT_WEIGHTS = "tiny"
_SETTINGS = {
    "layout": "output layout: interleave_10_15, text_to_audio, audio_only or N:M",
    "max_new_tokens": "longest answer in tokens; 0 for the published limit",
    "temperature": "of the sampler; -1 for the published one",
    "device": "cpu or cuda",
}
_ROLES = {"user": "human", "assistant": "assistant"}


def build(argument: str, options: Mapping[str, OptionValue]) -> ReferenceModel:
    """Load the model that a name or a folder stands for.

    Raises:
        UsageError: a setting or the checkpoint cannot be used; the message says why.
    """
    from aqaa_eval.reference_model import load

    refuse_unknown("reference", options, _SETTINGS)
    name = argument or DEFAULT_WEIGHTS
    try:
        model = load(name).to(option(options, "device", "cpu"))
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise UsageError(f"--model reference:{name}: {error}") from error
    return ReferenceModel(model, name=f"reference:{name}@{model.fingerprint()}", options=options)


def layout_settings(layout: str) -> dict[str, OptionValue]:
    """The settings that make it answer in a layout.

    Raises:
        UsageError: there is no such layout.

    >>> layout_settings("6:50")
    {'layout': 'interleave_6_50'}
    """
    from aqaa_eval.reference_model.layout import parse_layout

    try:
        return {"layout": parse_layout(layout).name}
    except ValueError as error:
        raise UsageError(str(error)) from error


class ReferenceModel:
    """Step-Audio-AQAA behind the harness's interface."""

    def __init__(self, model: StepAudioAQAA, *, name: str, options: Mapping[str, OptionValue]) -> None:
        self._model = model
        self._name = name
        self._options = options

    @property
    def identity(self) -> str:
        """Name, hash of the weights and settings."""
        return self._name + "".join(f",{key}={value}" for key, value in sorted(self._options.items()))

    def with_settings(self, options: Mapping[str, OptionValue]) -> ReferenceModel:
        """The same weights, in memory once, under other settings.

        Raises:
            UsageError: an unknown setting, or another device.
        """
        refuse_unknown("reference", options, _SETTINGS)
        if option(options, "device", "cpu") != option(self._options, "device", "cpu"):
            raise UsageError("the weights lie on one device: give every arm the same device")
        return ReferenceModel(self._model, name=self._name, options=options)

    def answer(self, query: Query) -> Response:
        """Answer in text and speech, streamed.

        Raises:
            ModelError: the conversation breaks a rule of the model.
        """
        return joined(self.stream(query))

    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        """The answer as it is decoded.

        Raises:
            ModelError: as `answer`.
        """
        try:
            conversation = [_utterance(message) for message in query.messages if _is_said(message)]
            for chunk in self._model.stream(conversation, self._settings(query.seed)):
                yield _piece(chunk)
        except ValueError as error:
            raise ModelError(str(error)) from error

    def _settings(self, seed: int) -> AnswerOptions:
        from aqaa_eval.reference_model.model import AnswerOptions

        sampling = self._model.published_sampling()
        limit = option(self._options, "max_new_tokens", 0)
        temperature = option(self._options, "temperature", -1.0)
        if limit > 0:
            sampling = replace(sampling, max_new_tokens=limit)
        if temperature >= 0:
            sampling = replace(sampling, temperature=temperature)
        layout = option(self._options, "layout", "")
        return AnswerOptions(layout=layout or None, seed=seed, sampling=sampling, allow_untrained_layout=bool(layout))


def _is_said(message: Message) -> bool:
    return message.audio is not None or bool(message.text)


def _utterance(message: Message) -> Utterance:
    from aqaa_eval.reference_model.audio_input import Recording
    from aqaa_eval.reference_model.conversation import Utterance

    role = _ROLES[message.role]
    if message.text and message.role == "assistant":
        return Utterance(role=role, text=message.text)
    assert message.audio is not None  # else it would not have been said
    recording = Recording(samples=message.audio.samples, sample_rate_hz=message.audio.sample_rate_hz, name="question")
    return Utterance(role=role, recording=recording)


def _piece(chunk: AnswerChunk) -> ResponsePiece:
    return ResponsePiece(
        audio=from_samples(chunk.audio, sample_rate_hz=chunk.sample_rate_hz, name="answer"),
        text=chunk.text,
        finish=Finish(chunk.finish) if chunk.finish else None,
    )
