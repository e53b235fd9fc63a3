"""Saying what there is must not load what does the work."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "matplotlib", "pandas", "scipy", "whisper", "datasets", "onnxruntime", "numba")
_PROBE = """
import json, sys
import aqaa_eval.cli.main as main
sys.argv = ["aqaa-eval", *{arguments!r}]
try:
    main.main()
except SystemExit as leave:
    assert not leave.code, leave.code
print("\\n" + json.dumps(sorted(set(sys.modules) & set({heavy!r}))))
"""


def loaded_by(*arguments: str) -> list[str]:
    code = _PROBE.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


@pytest.mark.parametrize("verb", ["", "run", "score", "report", "list", "fetch", "doctor", "validate"])
def test_help_loads_nothing_heavy(verb: str) -> None:
    assert loaded_by(*([verb] if verb else []), "--help") == []


@pytest.mark.parametrize("kind", ["suites", "models", "judges", "transcribers", "predictors", "weights"])
def test_lists_load_nothing_heavy(kind: str) -> None:
    assert loaded_by("list", kind) == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, aqaa_eval, aqaa_eval.reference_model; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
