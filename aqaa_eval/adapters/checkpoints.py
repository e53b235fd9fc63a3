"""Where a model's files lie, and what identifies them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aqaa_eval.core.errors import MissingWeights, UsageError

_PATTERNS = ("*.safetensors", "*.bin", "*.pt", "*.json", "*.model", "merges.txt")


def find_checkpoint(name: str, *, revision: str, model: str) -> tuple[Path, str]:
    """The folder of a checkpoint and its identity.

    Args:
        name: a folder, or the name of a repository on the hub, which is downloaded if it is not here.
        revision: branch, tag or commit on the hub.
        model: what to write after `--model`, for messages.

    Returns:
        The folder; and "name@hash": the hub's commit, or a hash over the files of a folder.

    Raises:
        UsageError: a path that is no folder.
        MissingWeights: it is not on this machine and the hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path, identity_of(str(path))
    if name.startswith(("/", ".", "~")):
        raise UsageError(f"--model {model}:{name}: no such folder; give the folder of a checkpoint")
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision))
    except Exception as error:  # the hub's client raises a dozen kinds; all mean that the files are not here
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise MissingWeights(
            f"{model} needs the files of {name} (revision {revision}), which are not here: {reason[0]}. On a machine "
            f"with access: hf download {name}; then --model {model}:/path/to/the/folder"
        ) from error
    return folder, f"{name}@{folder.name[:8]}"


def identity_of(name: str) -> str:
    """As "name@hash": a folder, or a repository that the hub's cache holds; the bare name if it does not."""
    if Path(name).is_dir():
        return f"{Path(name).resolve().name}@{hash_of_folder(Path(name))}"
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return name
    return f"{name}@{Path(config).parent.name[:8]}" if isinstance(config, str) else name


def hash_of_folder(folder: Path) -> str:
    """Eight digits of the SHA-256 over all files that decide answers: a retrained checkpoint is another model."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _PATTERNS for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:8]
