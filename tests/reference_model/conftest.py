"""What the reference-model tests share: golden numbers, and one thread so that small sizes run fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One golden file: upstream's weights, the inputs, and what upstream's code made of them."""

    meta: dict[str, Any]
    weights: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def check(self, name: str, actual: Tensor) -> None:
        torch.testing.assert_close(actual.float(), self.outputs[name].float(), atol=2e-5, rtol=2e-4)


def load_golden(name: str) -> Golden:
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        meta = json.loads(file.metadata()["meta"])
    parts = [{key[2:]: t for key, t in tensors.items() if key.startswith(p)} for p in ("w.", "i.", "o.")]
    return Golden(meta=meta, weights=parts[0], inputs=parts[1], outputs=parts[2])


@pytest.fixture(scope="session")
def golden() -> Any:
    return load_golden


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
