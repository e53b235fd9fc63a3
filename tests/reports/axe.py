"""axe-core, the accessibility checker, fetched through npm once and kept outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.10.3"


def axe_source() -> str:
    """The script; skips the test where npm cannot give it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aqaa-eval-tests" / f"axe-{VERSION}"
    script = cache / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, so axe-core cannot be had")
        cache.mkdir(parents=True, exist_ok=True)
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-save"]
        command = [npm, "install", *quiet, "--prefix", str(cache), f"axe-core@{VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode or not script.is_file():
            pytest.skip(f"npm cannot fetch axe-core here: {done.stderr.strip()[-200:]}")
    return script.read_text(encoding="utf-8")


def serious_violations(page: Any) -> list[str]:
    """Rule and element of every violation that axe calls serious or critical."""
    page.evaluate(axe_source())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]
