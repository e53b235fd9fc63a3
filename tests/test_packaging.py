"""The wheel holds every tracked file exactly once, stands alone, and installs nothing generic."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINKED = ("tasks", "judges", "reference_model", "reports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what git tracks, built from a copy: the working folder stays as it is."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    archive = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=tracked, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(copy)], input=archive.stdout, check=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.glob("*.whl")
    return path


def tracked_files() -> set[str]:
    """Every tracked file of the package, by its name in the wheel."""
    folders = ["aqaa_eval", *LINKED]
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    files = {name for name in listed.stdout.splitlines() if not (ROOT / name).is_symlink() and (ROOT / name).is_file()}
    return {name if name.startswith("aqaa_eval/") else f"aqaa_eval/{name}" for name in files}


def test_the_wheel_holds_every_tracked_file_exactly_once(wheel: Path) -> None:
    names = Counter(name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name)
    assert max(names.values()) == 1
    assert set(names) == tracked_files()


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another environment: the wheel, and the third-party packages of this one by path. Returns its bin folder."""
    home = tmp_path_factory.mktemp("alone")
    venv.create(home, with_pip=False)
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    # A path file is not followed from another path file, so this environment's editable install stays out.
    (site / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--prefix",
        str(home),
        str(wheel),
    ]
    subprocess.run([*install, "--ignore-installed"], check=True, capture_output=True)
    return home / "bin"


def run_alone(alone: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{alone}:{os.environ['PATH']}",
        "HOME": str(cwd),
        "AQAA_EVAL_CACHE": str(cwd / "no-weights"),
        "PYTHONWARNINGS": "error",
    }
    return subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)


def test_the_wheel_alone_runs_on_its_bundled_data(alone: Path, tmp_path: Path) -> None:
    found = run_alone(alone, str(alone / "python"), "-c", "import aqaa_eval; print(aqaa_eval.__file__)", cwd=tmp_path)
    assert found.stdout.startswith(str(alone.parent)), found
    command = ("run", "--model", "fake:echo", "--limit", "1", "--speech-mos", "none", "--out", "echo")
    done = run_alone(alone, str(alone / "aqaa-eval"), *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no ASR weights" in done.stderr
    assert (tmp_path / "echo" / "report.html").stat().st_size > 50_000
    assert "Instruction" in done.stdout


@pytest.mark.parametrize("name", LINKED)
def test_nothing_generic_is_installed(name: str, alone: Path, tmp_path: Path) -> None:
    done = run_alone(alone, str(alone / "python"), "-c", f"import {name}", cwd=tmp_path)
    assert "ModuleNotFoundError" in done.stderr
