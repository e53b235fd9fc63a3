"""An OpenAI-compatible chat server over a real local model that writes only what the schema allows.

For end-to-end tests of judges with a real, if very small, language model behind real HTTP:

    python -m aqaa_eval.testing.model_server smollm2:135m-instruct

One reply at a time. Only the schemas that judges send (`ReplyForm.json_schema`) are understood.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from aqaa_eval.judges.endpoint import Unreachable
from aqaa_eval.judges.local import LocalModel
from aqaa_eval.judges.verdict import ReplyForm, Scale
from aqaa_eval.testing.server import Reply, Request, ScriptedServer, json_reply


def form_of(schema: Mapping[str, Any]) -> ReplyForm:
    """The form behind a judge's schema.

    >>> form = ReplyForm(scales=(Scale(name="content"), Scale(name="relevance", low=0, high=1)), n_ticks=2)
    >>> form_of(form.json_schema()) == form
    True
    """
    kinds = schema["properties"]
    scales = tuple(
        Scale(name=name, low=min(kind["enum"]), high=max(kind["enum"]))
        for name, kind in kinds.items()
        if kind["type"] == "integer"
    )
    return ReplyForm(scales=scales, n_ticks=sum(kind["type"] == "boolean" for kind in kinds.values()))


class ModelServer:
    """Serves a model while it is entered."""

    def __init__(self, model: LocalModel, *, port: int = 0) -> None:
        self._model = model
        self.server = ScriptedServer(self._handle, prefix="/v1", port=port)

    @property
    def base_url(self) -> str:
        """With "/v1"."""
        return self.server.base_url

    def __enter__(self) -> ModelServer:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def _handle(self, request: Request) -> Reply:
        if request.path.endswith("/models"):
            return json_reply({"object": "list", "data": [{"id": self._model.source, "object": "model"}]})
        body = request.json()
        try:
            form = form_of(body["response_format"]["json_schema"]["schema"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"this server needs response_format with a judge's JSON schema ({type(error).__name__}: {error})"
            return json_reply({"error": {"message": message}}, status=400)
        try:
            reply = self._model.reply(body["messages"], form)
        except Unreachable as error:
            return json_reply({"error": {"message": str(error)}}, status=400)
        n_prompt, n_reply = reply.n_prompt_tokens, reply.n_reply_tokens
        answer = {"role": "assistant", "content": reply.text, "refusal": None}
        return json_reply(
            {
                "id": "local",
                "object": "chat.completion",
                "created": 0,
                "model": self._model.source,
                "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": n_prompt,
                    "completion_tokens": n_reply,
                    "total_tokens": n_prompt + n_reply,
                },
            }
        )


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A local model behind the chat API, for tests of judges.")
    parser.add_argument("model", help="as after --judge hf:")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with ModelServer(LocalModel(given.model, device=given.device), port=given.port) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
