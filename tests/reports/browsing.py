"""The report in a real browser: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


class Visit:
    """One page opened from disk, with all that it said and asked for."""

    def __init__(
        self, browser: Any, file: Path, *, size: str = "desktop", scheme: str = "light", **context: Any
    ) -> None:
        # A page that still scrolls smoothly can move away from under a click.
        settings = {"color_scheme": scheme, "reduced_motion": "reduce", **context}
        self.context = browser.new_context(viewport=SIZES[size], **settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.file = file

    @property
    def asked_for(self) -> list[str]:
        """Requests besides the page itself and what it carries."""
        return [url for url in self.requests if url != self.file.as_uri() and not url.startswith("data:")]

    def wait_until(self, expression: str, *, limit_s: float = 60.0) -> None:
        """Poll; playwright's own way evaluates strings in the page, which our policy rightly refuses."""
        end_s = time.monotonic() + limit_s
        while not self.page.evaluate(expression):
            assert time.monotonic() < end_s, f"not within {limit_s} s: {expression}"
            self.page.wait_for_timeout(50)

    def open_item(self, place: int = 0) -> Any:
        """Open a conversation of the list."""
        item = self.page.locator("details.item").nth(place)
        item.locator("summary").click()
        item.locator(".body").wait_for()
        return item

    def keys(self) -> list[str]:
        """Names of the conversations on the page, in order."""
        return list(self.page.locator("details.item .name .unit").all_text_contents())

    def choose(self, name: str, value: str) -> None:
        """Set one field of the filter."""
        self.page.locator(f"#filters select[name={name}]").select_option(value)

    def shown(self) -> int:
        return int(self.page.locator("details.item:visible").count())
