"""An OpenAI-compatible chat server over a real local model that writes only what the schema allows.

For end-to-end tests of judges with a real, if very small, language model behind real HTTP:

    python -m aqaa_eval.testing.model_server smollm2:135m-instruct

One reply at a time. Only the schemas that judges send (`ReplyForm.json_schema`) are understood.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from aqaa_eval.judges.endpoint import Unreachable
from aqaa_eval.judges.local import LocalModel
from aqaa_eval.judges.verdict import ReplyForm, Scale
from aqaa_eval.testing.completion import Usage, completion
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


class ModelServer(ScriptedServer):
    """Serves a model while it is entered."""

    def __init__(self, model: LocalModel, *, port: int = 0) -> None:
        super().__init__(self._handle, prefix="/v1", port=port)
        self._model = model

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
        usage = Usage(n_prompt=reply.n_prompt_tokens, n_reply=reply.n_reply_tokens)
        return json_reply(completion(reply.text, model=self._model.source, usage=usage))


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A local model behind the chat API, for tests of judges.")
    parser.add_argument("model", help="as after --judge hf:")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    ModelServer(LocalModel(given.model, device=given.device), port=given.port).run()


if __name__ == "__main__":
    main()
