"""The models of the training stages, found by the names that `aqaa-eval train` gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aqaa_eval.core.errors import UsageError
from aqaa_eval.reference_model.checkpoint import load_model
from aqaa_eval.reference_model.model import StepAudioAQAA

DEFAULT = Path("runs/train-tiny/models")


def find_stages(folder: Path, wanted: Sequence[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Folders of the stages that are there, and why the others are not.

    Raises:
        UsageError: none of them is there.
    """
    found = {name: folder / name for name in wanted if (folder / name / "config.json").is_file()}
    missing = {name: f"no model in {folder / name}" for name in wanted if name not in found}
    if not found:
        raise UsageError(
            f"{folder} holds none of {', '.join(wanted)}: make them with `aqaa-eval train all`, or name their folder "
            "by --weights"
        )
    return found, missing


def load_stages(folders: Mapping[str, Path]) -> dict[str, StepAudioAQAA]:
    """The models, whole.

    Raises:
        UsageError: one cannot be loaded; the message says why.
    """
    loaded = {}
    for name, folder in folders.items():
        try:
            loaded[name] = load_model(folder)
        except (ValueError, OSError, KeyError, RuntimeError) as error:
            raise UsageError(f"{folder}: {error}") from error
    return loaded
