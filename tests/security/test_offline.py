"""Nothing asks for an address unless a name says so, and no secret of the environment is ever written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aqaa_eval.core.weights import is_present
from tests.bad_inputs.containment import snapshot

ROOT = Path(__file__).parents[2]
SECRETS = {
    "OPENAI_API_KEY": "sk-canary-of-openai",
    "HF_TOKEN": "hf_canaryofthehub",
    "AQAA_EVAL_TOKEN": "canary-of-the-server",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-store",
}


def _everyday(folder: Path, *measuring: str) -> str:
    """What the commands printed; they see the secrets and no network."""
    home = folder.with_name("home")
    home.mkdir()
    environment = {**os.environ, **SECRETS, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.everyday", str(folder), *measuring],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "all done" in done.stderr
    assert not [name for name in snapshot(home) if "aqaa" in name]
    return done.stdout + done.stderr


def _check_secrets(folder: Path, printed: str) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    for secret in SECRETS.values():
        assert secret not in printed
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_the_everyday_commands_need_no_network_and_write_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    _check_secrets(folder, _everyday(folder))


@pytest.mark.slow
@pytest.mark.skipif(not is_present("whisper:base"), reason="aqaa-eval fetch whisper:base")
def test_the_default_chain_needs_no_network_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aqaa_eval.core.weights import cache_folder

    monkeypatch.setenv("AQAA_EVAL_CACHE", str(cache_folder()))
    folder = tmp_path / "out"
    folder.mkdir()
    _everyday(folder, "--asr", "whisper:base", "--quiet")


def test_the_hook_of_these_tests_does_stop_a_network() -> None:
    code = "import tests.security.everyday as e, socket; e.forbid_network(); socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Reached" in done.stderr
