"""What identifies a recogniser's weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aqaa_eval.core.weights import WEIGHTS, installed_path


def weights_hash(path: Path) -> str:
    """Eight hex digits: of the catalogue where the weights are from there, else of their bytes.

    Args:
        path: a file, or a folder with `*.safetensors` or `*.bin` in it.
    """
    for weight in WEIGHTS.values():
        if path == installed_path(weight):
            return weight.sha256[:8]
    files = [path] if path.is_file() else sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return digests[0][:8] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()[:8]
