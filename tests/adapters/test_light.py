"""A child of `--python` loads its adapter, and nothing heavy for it: its environment may not have it."""

from __future__ import annotations

import subprocess
import sys

from aqaa_eval.catalog import MODELS

ASKED = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*sys.modules)"
HEAVY = {"pydantic", "torch", "transformers", "openai", "scipy", "typer"}


def test_importing_an_adapter_loads_neither_pydantic_nor_a_model_library() -> None:
    modules = sorted({entry.target.partition(":")[0] for entry in MODELS.values()})
    children = {
        module: subprocess.run(
            [sys.executable, "-c", ASKED, module], check=True, capture_output=True, text=True
        ).stdout.split()
        for module in modules
    }
    assert len(children) >= 9
    assert {module: HEAVY & set(loaded) for module, loaded in children.items() if HEAVY & set(loaded)} == {}
