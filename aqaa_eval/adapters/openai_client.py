"""The official client over one endpoint, or the short way to a server nearby; every body is read under limits."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aqaa_eval.adapters.openai_endpoint import Endpoint, EndpointSettings, Meter, told_as_ours
from aqaa_eval.adapters.straight_http import Redirected, StraightClient, StreamedReply
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.plain_http import is_plain

if TYPE_CHECKING:
    from openai import OpenAI


def _without_payloads(record: logging.LogRecord) -> bool:
    """Keep the client's own log, but for the line that repeats a request with all its sound (OPENAI_LOG=debug)."""
    return not str(record.msg).startswith("Request options")


class Client:
    """Posts requests; may be used by several threads at once."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Make it.

        Raises:
            UsageError: OpenAI wants a key and there is none: told now, not at the first question.
        """
        self.endpoint = Endpoint(settings)
        self._key = self.endpoint.api_key
        url = settings.base_url
        self._straight = StraightClient(url, key=self._key) if is_plain(url) else None

    @cached_property
    def _sdk(self) -> OpenAI:
        import openai

        logging.getLogger("openai._base_client").addFilter(_without_payloads)
        # Retries are ours: the client's would not know how much time an answer has left.
        return openai.OpenAI(api_key=self._key, base_url=self.endpoint.settings.base_url, max_retries=0)

    def open(self) -> None:
        """Load the library if it is needed: the first answer must not be timed with it."""
        if self._straight is None:
            self._sdk  # noqa: B018

    @contextmanager
    def posted(self, body: Mapping[str, Any], meter: Meter) -> Iterator[StreamedReply]:
        """Post a chat request; gives the reply with its body unread.

        Raises:
            Retryable, ModelTimeout, ModelError: there is none.
        """
        if self._straight is not None:
            try:
                with self._straight.posted(body, meter) as reply:
                    yield reply
                return
            except Redirected:
                self._straight = None
        with told_as_ours(), self._posted_by_sdk(body, meter) as response:
            yield response

    def _posted_by_sdk(self, body: Mapping[str, Any], meter: Meter) -> AbstractContextManager[Any]:
        # As `extra_body`, because servers know fields that the client's types do not.
        extra = {name: value for name, value in body.items() if name not in ("model", "messages")}
        create = self._sdk.chat.completions.with_streaming_response.create
        return create(model=body["model"], messages=body["messages"], extra_body=extra, timeout=meter.left_s)

    def chat(self, body: Mapping[str, Any]) -> Any:
        """The whole reply to a chat request, as JSON.

        Raises:
            ModelTimeout, ModelError: there is none.
        """

        def attempt(meter: Meter) -> Any:
            with self.posted(body, meter) as response:
                return read_json(response.iter_bytes(), meter)

        return self.endpoint.ask(attempt)

    def transcribe(self, wav: bytes, *, model: str) -> str:
        """The words of a WAV file.

        Raises:
            ModelTimeout, ModelError: the server gave none.
        """

        def attempt(meter: Meter) -> Any:
            create = self._sdk.audio.transcriptions.with_streaming_response.create
            file = ("question.wav", wav, "audio/wav")
            with (
                told_as_ours(),
                create(model=model, file=file, response_format="json", timeout=meter.left_s) as response,
            ):
                return read_json(response.iter_bytes(), meter)

        reply = self.endpoint.ask(attempt)
        text = reply.get("text") if isinstance(reply, Mapping) else None
        if not isinstance(text, str):
            raise ModelError("the transcriber's reply has no text")
        return text.strip()


def read_json(chunks: Iterator[bytes], meter: Meter) -> Any:
    """A JSON body.

    Raises:
        ModelError: it is too large, or no JSON.
        ModelTimeout: the time is up.
    """
    parts: list[bytes] = []
    for chunk in chunks:
        meter.spend(len(chunk))
        parts.append(chunk)
    return _parsed(parts)


def _parsed(parts: Sequence[bytes]) -> Any:
    try:
        return json.loads(b"".join(parts))
    except ValueError as error:
        raise ModelError(f"the reply is no JSON: {error}") from error
