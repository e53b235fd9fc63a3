"""The addresses of the server: `/v1/chat/completions`, `/v1/models`, `/health`, and the page at `/`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.errors import AqaaError, ModelTimeout
from aqaa_eval.core.pieces import ResponsePiece
from aqaa_eval.serving.errors import ApiError, bad_request
from aqaa_eval.serving.guard import Guard, Rules
from aqaa_eval.serving.live import LiveReply
from aqaa_eval.serving.memory import AnswerMemory, new_name
from aqaa_eval.serving.replies import Envelope, Outgoing, sent
from aqaa_eval.serving.requests import ChatRequest, read_request
from aqaa_eval.serving.worker import LineFull, ModelWorker

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

_PAGE_FILES = {
    "/": ("talk.html.j2", "text/html"),
    "/talk.js": ("talk.js", "text/javascript"),
    "/recorder.js": ("recorder.js", "text/javascript"),
    "/talk.css": ("talk.css", "text/css"),
}
BODY_LIMIT_S = 60.0
NOBODY_READS = 499
"""Status for a client that has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """What is served.

    Attributes:
        name: under which the model is called.
        identity: of the model, for /v1/models.
        rules: whom the server talks to.
        max_body_bytes: a larger request is refused.
    """

    name: str
    identity: str
    rules: Rules
    max_body_bytes: int = 32 * 2**20


def make_app(worker: ModelWorker, settings: AppSettings) -> ASGIApp:
    """The app over a worker that is running."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    served = _Served(worker, settings)
    routes = [
        Route("/v1/chat/completions", served.chat, methods=["POST"]),
        Route("/v1/models", served.models, methods=["GET"]),
        Route("/v1/models/{name:path}", served.models, methods=["GET"]),
        Route("/health", served.health, methods=["GET"]),
        *(Route(path, served.page, methods=["GET"]) for path in _PAGE_FILES),
    ]
    handlers: dict[Any, Any] = {ApiError: _told, HTTPException: _no_such_place, Exception: _broken}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), settings.rules)


class _Served:
    """The endpoints."""

    def __init__(self, worker: ModelWorker, settings: AppSettings) -> None:
        self._worker = worker
        self._settings = settings
        self._memory = AnswerMemory()

    async def chat(self, request: Request) -> Response:
        from starlette.responses import JSONResponse, StreamingResponse
        from starlette.responses import Response as Plain

        body = await self._json(request)
        # Decoding minutes of sound takes a while: in a thread, so that the loop stays free.
        wanted = await asyncio.to_thread(read_request, body, served=self._settings.name, memory=self._memory)
        envelope = Envelope(model=self._settings.name, audio_id=new_name())
        if wanted.takes_pieces and self._worker.can_stream:
            return await self._live(wanted, request, envelope)
        with _worded():
            answer = await self._worker.answer(wanted.query, has_left=request.is_disconnected)
        if answer is None:
            return Plain(status_code=NOBODY_READS)
        self._memory.keep(answer, envelope.audio_id)
        outgoing = Outgoing(response=answer, envelope=envelope, format=wanted.format, wants_audio=wanted.wants_audio)
        if wanted.streams:
            return StreamingResponse(outgoing.events(), media_type="text/event-stream")
        return JSONResponse(await asyncio.to_thread(outgoing.whole))

    async def _live(self, wanted: ChatRequest, request: Request, envelope: Envelope) -> Response:
        """Let the pieces out as they come; what breaks before the first one still has a status."""
        from starlette.responses import Response as Plain
        from starlette.responses import StreamingResponse

        pieces = self._worker.stream(wanted.query, has_left=request.is_disconnected)
        with _worded():
            first = await anext(pieces, None)
        if first is None:
            return Plain(status_code=NOBODY_READS)
        return StreamingResponse(self._events(first, pieces, LiveReply(envelope)), media_type="text/event-stream")

    async def _events(
        self, first: ResponsePiece, rest: AsyncGenerator[ResponsePiece, None], reply: LiveReply
    ) -> AsyncIterator[bytes]:
        yield reply.head()
        try:
            async with aclosing(rest):
                with _worded():
                    for event in reply.piece(first):
                        yield event
                    async for piece in rest:
                        for event in reply.piece(piece):
                            yield event
        except ApiError as error:
            yield sent(error.body)  # the status has left; clients take this for the end of a broken answer
            return
        self._memory.keep(reply.response, reply.audio_id)
        for event in reply.tail():
            yield event

    async def _json(self, request: Request) -> object:
        if "json" not in request.headers.get("content-type", ""):
            raise ApiError(status=415, message="the body must be sent as Content-Type: application/json")
        limit = self._settings.max_body_bytes
        parts: list[bytes] = []
        n_bytes = 0
        try:
            async with asyncio.timeout(BODY_LIMIT_S):
                async for chunk in request.stream():
                    n_bytes += len(chunk)
                    if n_bytes > limit:
                        raise ApiError(
                            status=413,
                            message=f"the request is larger than {limit / 2**20:g} MiB; send shorter recordings",
                            code="request_too_large",
                            headers={"connection": "close"},
                        )
                    parts.append(chunk)
        except TimeoutError as error:
            raise ApiError(status=408, message=f"the request did not arrive within {BODY_LIMIT_S:g} s") from error
        try:
            return await asyncio.to_thread(json.loads, b"".join(parts))
        except (ValueError, RecursionError) as error:
            raise bad_request(f"the body is no JSON: {error}") from error

    async def models(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        name = request.path_params.get("name")
        card = {"id": self._settings.name, "object": "model", "created": 0, "owned_by": "aqaa-eval"}
        card["identity"] = self._settings.identity
        if name is None:
            return JSONResponse({"object": "list", "data": [card]})
        if name != self._settings.name:
            raise ApiError(status=404, message=f"the model {name[:100]!r} is not served here", code="model_not_found")
        return JSONResponse(card)

    async def health(self, _request: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def page(self, request: Request) -> Response:
        from starlette.responses import Response as Plain

        file, kind = _PAGE_FILES[request.url.path]
        text = (files("aqaa_eval.serving") / "page" / file).read_text(encoding="utf-8")
        if file.endswith(".j2"):
            text = _render(text, name=self._settings.name, wants_token=self._settings.rules.token is not None)
        return Plain(text, media_type=kind)


def _render(template: str, **values: object) -> str:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(template).render(values)


@contextmanager
def _worded() -> Iterator[None]:
    """Whatever goes wrong with an answer, in the shape of the API."""
    try:
        yield
    except LineFull:
        raise ApiError(
            status=429,
            message="more questions wait than this server lets wait; ask again in a moment",
            kind="rate_limit_error",
            code="rate_limit_exceeded",
            headers={"retry-after": "1"},
        ) from None
    except ModelTimeout as error:
        raise _model_error(str(error), status=504, code="timeout") from error
    except AqaaError as error:
        raise _model_error(str(error), status=500, code="model_error") from error
    except Exception as error:
        message = f"the model broke: {type(error).__name__}: {error}"
        raise _model_error(message, status=500, code="model_error") from error


def _model_error(message: str, *, status: int, code: str) -> ApiError:
    # Clients ask again after a 500; a model that broke on a question breaks on it again.
    return ApiError(
        status=status, message=message[:500], kind="server_error", code=code, headers={"x-should-retry": "false"}
    )


def _reply(error: ApiError) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(error.body, status_code=error.status, headers=dict(error.headers))


async def _told(_request: Request, error: ApiError) -> Response:
    return _reply(error)


async def _no_such_place(request: Request, error: Any) -> Response:
    message = f"{error.detail}: {request.method} {request.url.path[:100]}"
    return _reply(ApiError(status=error.status_code, message=message, code="not_found"))


async def _broken(_request: Request, error: Exception) -> Response:
    message = f"the server broke: {type(error).__name__}"
    return _reply(ApiError(status=500, message=message, kind="server_error"))
