"""The addresses of the rating page: `/` and what it needs, `/v1/task`, `/v1/sound`, `/v1/rating`."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.audio import encode_audio, read_audio
from aqaa_eval.core.errors import AqaaError
from aqaa_eval.serving.errors import ApiError, bad_request
from aqaa_eval.serving.guard import Guard, Rules
from aqaa_eval.serving.rating.session import PREFERENCE, Session

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

MAX_BODY_BYTES = 4096
_PAGE_FILES = {
    "/": ("rate.html.j2", "text/html"),
    "/rate.js": ("rate.js", "text/javascript"),
    "/rate.css": ("rate.css", "text/css"),
}


def make_app(session: Session, rules: Rules) -> ASGIApp:
    """The app over one session."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    served = _Served(session, wants_token=rules.token is not None)
    routes = [
        Route("/v1/task", served.task, methods=["GET"]),
        Route("/v1/sound/{task:int}/{side:int}/{turn:int}", served.sound, methods=["GET"]),
        Route("/v1/question/{task:int}/{turn:int}", served.question, methods=["GET"]),
        Route("/v1/rating", served.rating, methods=["POST"]),
        *(Route(path, served.page, methods=["GET"]) for path in _PAGE_FILES),
    ]
    handlers: dict[Any, Any] = {ApiError: _told, HTTPException: _no_such_place}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), rules)


class _Served:
    """The endpoints."""

    def __init__(self, session: Session, *, wants_token: bool) -> None:
        self._session = session
        self._wants_token = wants_token

    async def task(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        asked = request.query_params.get("number")
        if asked is not None and (not asked.isdecimal() or int(asked) >= len(self._session.tasks)):
            raise bad_request(f"number must be below {len(self._session.tasks)}", param="number")
        return JSONResponse(self._state(int(asked) if asked is not None else self._session.next_task()))

    def _state(self, number: int | None) -> dict[str, Any]:
        session = self._session
        told: dict[str, Any] = {
            "n_done": session.n_done,
            "n_tasks": len(session.tasks),
            "metric": session.metric,
            "is_pair": session.metric == PREFERENCE,
            "number": number,
        }
        if number is not None:
            task = session.tasks[number]
            told["turns"] = [
                {
                    "question": turn.question.text,
                    "has_question_sound": task.question(place) is not None,
                    "has_sound": [task.sound(side, place) is not None for side in range(len(task.sides))],
                }
                for place, turn in enumerate(task.attempt.turns)
            ]
        return told

    async def sound(self, request: Request) -> Response:
        places = request.path_params
        try:
            path = self._session.tasks[places["task"]].sound(places["side"], places["turn"])
        except IndexError:
            path = None
        return await _wav(path)

    async def question(self, request: Request) -> Response:
        places = request.path_params
        try:
            path = self._session.tasks[places["task"]].question(places["turn"])
        except IndexError:
            path = None
        return await _wav(path)

    async def rating(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        if "json" not in request.headers.get("content-type", ""):
            raise ApiError(status=415, message="the body must be sent as Content-Type: application/json")
        if int(request.headers.get("content-length") or MAX_BODY_BYTES + 1) > MAX_BODY_BYTES:
            raise ApiError(status=413, message="the body is larger than a rating")
        try:
            body = json.loads(await request.body())
            number, rating = body["number"], body["rating"]
            if type(number) is not int or type(rating) is not int:
                raise TypeError("number and rating must be whole numbers")
            await asyncio.to_thread(self._session.rate, number, rating)
        except AqaaError as error:
            raise ApiError(status=507, message=str(error), kind="server_error") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise bad_request(f"no rating: {error}") from error
        return JSONResponse(self._state(self._session.next_task()))

    async def page(self, request: Request) -> Response:
        from jinja2 import Environment, StrictUndefined
        from starlette.responses import Response as Plain

        name, kind = _PAGE_FILES[request.url.path]
        text = (files("aqaa_eval.serving.rating") / "page" / name).read_text(encoding="utf-8")
        if name.endswith(".j2"):
            values = {"wants_token": self._wants_token, "metric": self._session.metric}
            text = Environment(autoescape=True, undefined=StrictUndefined).from_string(text).render(values)
        return Plain(text, media_type=kind)


async def _wav(path: Path | None) -> Response:
    """A recording, decoded and encoded anew: whatever a browser plays, and no name or tag of the stored file."""
    from starlette.responses import Response as Plain

    if path is None:
        raise ApiError(status=404, message="there is no recording here", code="not_found")
    try:
        encoded = await asyncio.to_thread(lambda: encode_audio(read_audio(path, name="the recording"), container="WAV"))
    except AqaaError as error:
        raise ApiError(status=410, message="the recording cannot be read", code="not_found") from error
    return Plain(encoded, media_type="audio/wav")


def _reply(error: ApiError) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(error.body, status_code=error.status, headers=dict(error.headers))


async def _told(_request: Request, error: ApiError) -> Response:
    return _reply(error)


async def _no_such_place(request: Request, error: Any) -> Response:
    return _reply(ApiError(status=error.status_code, message=f"{error.detail}: {request.method}", code="not_found"))
