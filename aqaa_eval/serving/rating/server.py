"""The rating page behind an address."""

from __future__ import annotations

from aqaa_eval.core.errors import UsageError
from aqaa_eval.serving.guard import Rules
from aqaa_eval.serving.listener import Listener, check_access, take_address
from aqaa_eval.serving.rating.app import make_app
from aqaa_eval.serving.rating.session import Session


class RatingServer(Listener):
    """One session behind an address; on loopback only, unless there is a token."""

    def __init__(
        self, session: Session, *, host: str = "127.0.0.1", port: int = 8011, token: str | None = None
    ) -> None:
        """Take the address at once.

        Raises:
            UsageError: it is in use, other machines would get in without a token, or packages are missing.
        """
        check_access(host, token)
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError as error:
            raise UsageError(f"rating needs {error.name}: pip install 'aqaa-eval[serve]'") from error
        taken = take_address(host, port)
        super().__init__(make_app(session, Rules(names=(host,), token=token)), taken, name="rating")
