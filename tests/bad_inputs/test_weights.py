"""Weights that are programs, that overlap, or that ask for all memory: refused by what they say, and nothing is run."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.whisper_model import load_whisper
from aqaa_eval.judges.speaker import SpeakerEncoder
from aqaa_eval.reference_model.cosyvoice import read_plain_yaml
from aqaa_eval.reference_model.sentencepiece_file import read_pieces
from aqaa_eval.reference_model.tokenizer import WeightsError
from aqaa_eval.reference_model.tokenizer.weights import load_codebook, load_linguistic
from aqaa_eval.reference_model.weight_files import INDEX_NAME, load_torch_file, read_index
from tests.bad_inputs.containment import contained, pattern
from tests.bad_inputs.test_suites import BOMB

MEMORY_BYTES = 2 << 30  # torch reserves address space for its threads


class Program:
    """What a pickle can hold: a call."""

    def __init__(self, *target: Any) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return self.target[0], tuple(self.target[1:])


def _plain_pickle(proof: Path) -> bytes:
    return pickle.dumps({"model_state": Program(Path.touch, proof), "state_dict": {}}, protocol=2)


def _zipped_pickle(proof: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model_state_dict": Program(Path.touch, proof), "dims": {}}, buffer)
    return buffer.getvalue()


def _old_pickle(proof: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": Program(Path.touch, proof)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


READERS: dict[str, Callable[[Path], object]] = {
    "whisper": load_whisper,
    "speaker": lambda path: SpeakerEncoder(path).embed(_speech()),
    "vocoder": load_torch_file,
    "linguistic tokenizer": load_linguistic,
    "codebook": load_codebook,
}


def _speech() -> Any:
    from aqaa_eval.tasks.suite import bundled_suite

    return next(bundled_suite("gaming").samples()).turns[0].audio.load()  # type: ignore[union-attr]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", [_plain_pickle, _zipped_pickle, _old_pickle])
def test_a_program_in_the_place_of_weights_is_not_run(
    reader: str, make: Callable[[Path], bytes], tmp_path: Path
) -> None:
    path, proof = tmp_path / "weights.pt", tmp_path / "ran"
    path.write_bytes(make(proof))
    with contained(tmp_path, memory_bytes=MEMORY_BYTES), pytest.raises((DataError, WeightsError)) as caught:
        READERS[reader](path)
    assert str(path) in str(caught.value)
    assert not proof.exists()


def _safetensors(header: object, data: bytes = bytes(64), *, n_header: int | None = None) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if n_header is None else n_header) + encoded + data


def _tensor(begin: int, end: int, shape: list[int], kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = {
    "overlapping": _safetensors({"a": _tensor(0, 64, [16]), "b": _tensor(32, 96, [16])}, bytes(96)),
    "the same twice": _safetensors({"a": _tensor(0, 64, [16]), "b": _tensor(0, 64, [16])}),
    "hole": _safetensors({"a": _tensor(0, 16, [4]), "b": _tensor(48, 64, [4])}),
    "beyond": _safetensors({"a": _tensor(0, 1 << 40, [1 << 38])}),
    "backwards": _safetensors({"a": _tensor(64, 0, [16])}),
    "negative": _safetensors({"a": _tensor(-64, 0, [16])}),
    "shape lies": _safetensors({"a": _tensor(0, 64, [1000])}),
    "shape overflows": _safetensors({"a": _tensor(0, 64, [1 << 62, 1 << 62])}),
    "kind": _safetensors({"a": _tensor(0, 64, [16], "PICKLE")}),
    "header of exabytes": _safetensors({}, n_header=1 << 62),
    "header of a gigabyte": _safetensors({}, n_header=1 << 30),
    "nested": _safetensors(b"[" * 100_000),
    "no json": _safetensors(b"\x80\x04\x95" * 10),
    "empty": b"",
    "pickle": pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_a_safetensors_file_that_lies_is_told_before_a_tensor_is_read(case: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(SAFETENSORS[case])
    with contained(memory_bytes=MEMORY_BYTES), pytest.raises(WeightsError) as caught:
        read_index(tmp_path)
    assert pattern("~ does not fit in 1 place:\n  model.safetensors cannot be read: ~").fullmatch(str(caught.value))


INDEXES = {
    "nested": ("[" * 100_000, "is no index of shards: RecursionError"),
    "list": ("[1]", "is no index of shards: TypeError"),
    "no map": ("{}", "is no index of shards: KeyError: 'weight_map'"),
    "list for map": ('{"weight_map": ["a"]}', "weight_map must name a file for every key"),
    "number for file": ('{"weight_map": {"a": 1}}', "weight_map must name a file for every key"),
    "up": ('{"weight_map": {"a": "../model.safetensors"}}', "outside the folder"),
    "absolute": ('{"weight_map": {"a": "/etc/passwd"}}', "outside the folder"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_a_bad_index_of_shards_is_one_clear_error(case: str, tmp_path: Path) -> None:
    text, error = INDEXES[case]
    (tmp_path / INDEX_NAME).write_text(text)
    with contained(memory_bytes=MEMORY_BYTES), pytest.raises(WeightsError) as caught:
        read_index(tmp_path)
    assert error in str(caught.value)


def _npy(header: str) -> bytes:
    encoded = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(encoded)) + encoded


def _npy_of_objects() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Program(print, "ran")], object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1024), }"),
        _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1024, 512), }"),
        _npy("__import__('os').getcwd()"),
        _npy_of_objects(),
        b"\x93NUMPY\x01\x00\xff\xff",
        b"",
    ],
    ids=["terabytes", "objects", "code", "pickle", "cut", "empty"],
)
def test_a_codebook_that_lies_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "linguistic_tokenizer.npy"
    path.write_bytes(content)
    with contained(memory_bytes=MEMORY_BYTES), pytest.raises(WeightsError, match=r"is no plain \.npy file"):
        load_codebook(path)


@pytest.mark.parametrize(
    "text",
    [BOMB, "a: " + "[" * 5_000, "a: " + "9" * 5_000, "a: 2024-13-45", "- a", "a: &b [*b]"],
    ids=["bomb", "deep", "digits", "no such day", "list", "loop"],
)
def test_a_vocoders_yaml_that_swells_is_refused(text: str) -> None:
    with contained(memory_bytes=MEMORY_BYTES), pytest.raises(WeightsError):
        read_plain_yaml(text)


@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b"\x0a\xff\xff\xff\xff\x7f", bytes(100), b"\x80" * (1 << 20)])
def test_a_vocabulary_that_lies_is_refused(content: bytes) -> None:
    with contained(memory_bytes=MEMORY_BYTES), pytest.raises(ValueError, match="not a sentencepiece model"):
        read_pieces(content)
