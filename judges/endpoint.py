"""Any OpenAI-compatible chat server as the voice of a judge.

The key comes from the environment and nowhere else. Settings that a server does not know (log-probabilities, a seed,
a schema) are left out from then on if it says so with a 400, because many servers know only some of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.retry_after import retry_after_s
from aqaa_eval.judges.levels import TokenChoice, expected_levels
from aqaa_eval.judges.sound import Sound, with_sounds
from aqaa_eval.judges.verdict import ReplyForm
from aqaa_eval.judges.wire import HttpReply, NoAnswer, Wire, make_wire

KEY_VARIABLE = "OPENAI_API_KEY"
OFFICIAL_URL = "https://api.openai.com/v1"
RETRYABLE = frozenset({408, 409, 425, 429})
N_ALTERNATIVES = 10


class Unreachable(Exception):
    """No reply came.

    Attributes:
        is_final: True if asking again cannot help.
        retry_after_s: what the server asks for.
        may_be_billed: True if the server may have worked on it.
    """

    def __init__(
        self, message: str, *, is_final: bool = False, retry_after_s: float | None = None, may_be_billed: bool = False
    ) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.retry_after_s = retry_after_s
        self.may_be_billed = may_be_billed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a judge's model answered, unread.

    Attributes:
        refusal: its words, where the server marks a refusal as such.
        is_cut: True if the limit of tokens ended it.
        expected: probability-weighted levels, where they can be told.
    """

    text: str
    refusal: str = ""
    is_cut: bool = False
    expected: Mapping[str, float] = field(default_factory=dict)
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a judge's model.

    Attributes:
        sounds: recordings that follow the text of the second message.
    """

    messages: Sequence[Mapping[str, str]]
    form: ReplyForm
    seed: int
    sounds: tuple[Sound, ...] = ()


class Provider(Protocol):
    """A model that replies; used on one event loop."""

    @property
    def name(self) -> str:
        """As on the command line, "openai:gpt-4o"."""
        ...

    @property
    def identity(self) -> str:
        """Model and settings."""
        ...

    @property
    def is_local(self) -> bool:
        """True if it runs in this process, one reply at a time."""
        ...

    @property
    def address(self) -> str:
        """What shares one concurrency budget: the server, or the device."""
        ...

    async def complete(self, call: Call) -> Reply:
        """One reply.

        Raises:
            Unreachable: none came.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """How a chat server is asked.

    Attributes:
        base_url: of the server; None for OpenAI's.
        api_key_env: name of the environment variable that holds the key.
        max_tokens: of a reply.
        logprobs: whether to ask for log-probabilities.
        sends_schema: whether to send the JSON schema as `response_format`.
        hears: whether the answers' recordings are sent too.
    """

    model: str
    base_url: str | None = None
    api_key_env: str = KEY_VARIABLE
    temperature: float = 0.0
    max_tokens: int = 400
    logprobs: bool = True
    sends_schema: bool = True
    hears: bool = False


class ChatEndpoint:
    """A model behind `/chat/completions`."""

    is_local = False

    def __init__(self, settings: ChatSettings) -> None:
        """Take note of the server; it is not asked yet.

        Raises:
            UsageError: no model is named, or OpenAI's own server is meant and there is no key.
        """
        if not settings.model:
            raise UsageError("name the judge's model: --judge openai:MODEL, with --judge-url for a server of your own")
        if settings.base_url is None and not os.environ.get(settings.api_key_env):
            raise UsageError(
                f"--judge openai:{settings.model} needs a key in ${settings.api_key_env}, or --judge-url of a server "
                "that needs none"
            )
        self._settings = settings
        self._left_out: set[str] = set()
        self.hears = settings.hears
        self.name = f"{'openai-audio' if settings.hears else 'openai'}:{settings.model}"
        self.address = settings.base_url or OFFICIAL_URL
        self._wire: Wire = make_wire(self.address, key=os.environ.get(settings.api_key_env) or "none")

    @property
    def identity(self) -> str:
        """Model and what changes its replies; the address is not part of it, so a server may move."""
        s = self._settings
        extras = "".join(f"/{name}" for name, on in (("schema", s.sends_schema), ("logprobs", s.logprobs)) if on)
        return f"{self.name}/t{s.temperature:g}/max{s.max_tokens}{extras}"

    async def complete(self, call: Call) -> Reply:
        """Ask the server once.

        Raises:
            Unreachable: it did not answer, or not with a completion.
        """
        body = self._body(call)
        try:
            reply = await self._wire.post(body)
        except NoAnswer as error:
            raise Unreachable(f"{self.name}: {error}", may_be_billed=True) from error
        if reply.status == 200:
            return self._read(reply, call.form)
        message = _message(reply)
        if reply.status in (400, 422) and self._learns_from(message, body):
            return await self.complete(call)
        raise Unreachable(
            f"the judge's server answered {reply.status}: {message[:200]}",
            is_final=reply.status < 500 and reply.status not in RETRYABLE,
            retry_after_s=retry_after_s(reply.headers),
        )

    def _body(self, call: Call) -> dict[str, Any]:
        s = self._settings
        messages: list[Mapping[str, Any]] = list(call.messages)
        if call.sounds:
            messages[1] = {**messages[1], "content": with_sounds(messages[1]["content"], call.sounds)}
        body: dict[str, Any] = {"model": s.model, "messages": messages}
        length = "max_completion_tokens" if "max_tokens" in self._left_out else "max_tokens"
        optional: dict[str, Any] = {"temperature": s.temperature, "seed": call.seed, length: s.max_tokens}
        if s.logprobs:
            optional |= {"logprobs": True, "top_logprobs": N_ALTERNATIVES}
        if s.sends_schema:
            schema = {"name": "verdict", "strict": True, "schema": call.form.json_schema()}
            optional["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body | {name: value for name, value in optional.items() if name not in self._left_out}

    def _learns_from(self, message: str, body: Mapping[str, Any]) -> bool:
        """Whether a refusal names a setting that can be left out, which is then done for good."""
        names = [name for name in body if name not in ("model", "messages") and name in message.lower()]
        self._left_out.update(names)
        if "logprobs" in names or "top_logprobs" in names:
            self._left_out.update(("logprobs", "top_logprobs"))
        return bool(names)

    def _read(self, reply: HttpReply, form: ReplyForm) -> Reply:
        try:
            completion = json.loads(reply.body)
            choice = completion["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content") or "", message.get("refusal") or ""
            usage = completion.get("usage") or {}
            finish = choice.get("finish_reason")
            if finish == "content_filter":
                refusal = refusal or "the server's content filter ended the reply"
            return Reply(
                text=text,
                refusal=refusal,
                is_cut=finish == "length",
                expected=expected_levels(text, _tokens(choice), form),
                n_prompt_tokens=int(usage.get("prompt_tokens") or 0),
                n_reply_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Unreachable(
                f"{self.name}: not a chat completion: {reply.body[:120]!r}", may_be_billed=True
            ) from error

    async def close(self) -> None:
        """Release connections."""
        await self._wire.close()


def _tokens(choice: Mapping[str, Any]) -> list[TokenChoice]:
    found = (choice.get("logprobs") or {}).get("content") or ()
    return [
        TokenChoice(
            text=item["token"],
            alternatives=tuple((other["token"], float(other["logprob"])) for other in item.get("top_logprobs") or ()),
        )
        for item in found
    ]


def _message(reply: HttpReply) -> str:
    """The server's own words about an error."""
    try:
        told = json.loads(reply.body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        told = reply.body[:400].decode("utf-8", "replace")
    return " ".join(str(told).split())
