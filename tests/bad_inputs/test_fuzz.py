"""The readers under hypothesis: whatever the bytes, each gives a proper value or its own kind of error.

`make test` runs `N_SHORT` executions per reader, `make soak` (-m slow) `N_LONG`.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aqaa_eval.adapters.answer_audio import decode_answer, join_chunks
from aqaa_eval.core.audio import MAX_PEAK, read_audio
from aqaa_eval.core.errors import AudioError, DataError, ModelError
from aqaa_eval.core.ogg_pages import pages
from aqaa_eval.core.plain_yaml import YamlError, load_yaml
from aqaa_eval.core.visible import CONTROLS, visible
from aqaa_eval.reference_model.sentencepiece_file import read_pieces
from aqaa_eval.tasks.manifest import Manifest, parse_manifest
from aqaa_eval.tasks.outside.archive import Limits, unpack
from aqaa_eval.tasks.outside.files import load as load_table
from aqaa_eval.tasks.suite import parse_card
from tests.bad_inputs.rows import GOOD_TURN
from tests.bad_inputs.sounds import encoded, wav
from tests.bad_inputs.suites import CARD

N_SHORT, N_LONG = 60, 10_000


def _read_sound(content: bytes) -> None:
    audio = read_audio(content, name="fuzzed")
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() <= MAX_PEAK


def _read_answer(content: bytes) -> None:
    decode_answer(content, pcm_rate_hz=24_000)
    join_chunks([content[:100], content[100:]], pcm_rate_hz=24_000)


def _read_manifest(content: bytes) -> None:
    samples, findings = parse_manifest(content, Manifest(suite="s", root=Path("/nowhere"), name="m"))
    for sample in samples:
        assert sample.turns
        assert not CONTROLS.search("".join(turn.text for turn in sample.turns))
    for finding in findings:
        assert str(finding) == visible(str(finding))


def _read_table(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"table{suffix}")
        path.write_bytes(content)
        load_table(str(path), {})


def _unpack(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive, target = Path(folder, "a.tar"), Path(folder, "target")
        archive.write_bytes(content)
        target.mkdir()
        try:
            unpack(archive, target, Limits(n_files=100, file_bytes=1 << 20, total_bytes=1 << 22))
        finally:
            assert sorted(path.name for path in Path(folder).iterdir()) == ["a.tar", "target"]


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("a.wav", "folder/b.wav"):
            info = tarfile.TarInfo(name)
            info.size = 600
            tar.addfile(info, io.BytesIO(bytes(600)))
    return buffer.getvalue()


_MANIFEST = json.dumps(
    {"id": "a", "turns": [{**GOOD_TURN, "checks": [{"name": "says_number", "params": {"value": 2}}]}]}
)
_MESSAGES = {"id": 1, "turns": [{"role": "user", "audio": "a.wav", "content": "One?"}, {"role": "assistant"}]}


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader.

    Attributes:
        read: takes bytes.
        seeds: proper inputs, which are then spoiled.
        errors: what it may raise.
    """

    read: Callable[[bytes], object]
    seeds: Callable[[], tuple[bytes, ...]]
    errors: tuple[type[Exception], ...]


TARGETS = {
    "wav": Target(
        read=_read_sound,
        seeds=lambda: (wav(), encoded("RF64", "FLOAT"), encoded("WAVEX", "PCM_24")),
        errors=(AudioError,),
    ),
    "aiff": Target(read=_read_sound, seeds=lambda: (encoded("AIFF", "PCM_16"),), errors=(AudioError,)),
    "flac": Target(read=_read_sound, seeds=lambda: (encoded("FLAC", "PCM_16"),), errors=(AudioError,)),
    "ogg": Target(
        read=_read_sound, seeds=lambda: (encoded("OGG", "VORBIS"), encoded("OGG", "OPUS")), errors=(AudioError,)
    ),
    "mp3": Target(read=_read_sound, seeds=lambda: (encoded("MP3", "MPEG_LAYER_III"),), errors=(AudioError,)),
    "answer": Target(
        read=_read_answer, seeds=lambda: (wav(), encoded("FLAC", "PCM_16"), bytes(5000)), errors=(ModelError,)
    ),
    "ogg pages": Target(
        read=lambda content: list(pages(content)), seeds=lambda: (encoded("OGG", "OPUS"),), errors=(ValueError,)
    ),
    "manifest": Target(read=_read_manifest, seeds=lambda: (_MANIFEST.encode(),), errors=()),
    "card": Target(read=lambda content: parse_card(content, name="c"), seeds=lambda: (CARD.encode(),), errors=()),
    "yaml": Target(
        read=lambda content: load_yaml(content.decode("latin-1")), seeds=lambda: (CARD.encode(),), errors=(YamlError,)
    ),
    "csv": Target(
        read=lambda content: _read_table(content, ".csv"),
        seeds=lambda: (b'audio,text,id,turn\na.wav,"One?",1,1\nb.wav,Two?,1,2\n',),
        errors=(DataError,),
    ),
    "jsonl": Target(
        read=lambda content: _read_table(content, ".jsonl"),
        seeds=lambda: (json.dumps(_MESSAGES).encode(), b'{"question": "a", "answer": ["b"]}\n'),
        errors=(DataError,),
    ),
    "tar": Target(read=_unpack, seeds=lambda: (_tar(),), errors=(DataError,)),
    "vocabulary": Target(
        read=read_pieces, seeds=lambda: (b"\x0a\x08\x0a\x01a\x15\0\0\0\0" * 20,), errors=(ValueError,)
    ),
}


@cache
def _seeds(name: str) -> tuple[bytes, ...]:
    return TARGETS[name].seeds()


@st.composite
def _spoiled(draw: st.DrawFn, name: str) -> bytes:
    """A proper input with a few bytes changed, put in, taken out, or cut; at the head more often than elsewhere."""
    content = bytearray(draw(st.sampled_from(_seeds(name))))
    for _ in range(draw(st.integers(1, 6))):
        limit = min(len(content), draw(st.sampled_from([64, 512, 1 << 20])))
        at = draw(st.integers(0, limit))
        kind = draw(st.sampled_from(["set", "insert", "remove", "cut", "repeat"]))
        piece = draw(st.one_of(st.binary(max_size=8), st.sampled_from(_PIECES)))
        if kind == "set":
            content[at : at + len(piece)] = piece
        elif kind == "insert":
            content[at:at] = piece
        elif kind == "remove":
            del content[at : at + draw(st.integers(1, 64))]
        elif kind == "cut":
            del content[at:]
        else:
            content[at:at] = piece * draw(st.integers(1, 200))
    return bytes(content)


_PIECES = [
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"data", b"OggS", b"fLaC", b"RIFF",
    b'"', b"[", b"{", b"]", b"}", b",", b"\n", b"null", b"NaN", b"1e999", b"-1", b"\\u0000", b"\\ud800", b"&a ", b"*a",
    b"!!int ", b"- ", b"? ", b"../", b"/", "\u202e".encode(), "\u200b".encode(), b"999999999999999999999999",
]  # fmt: skip


def _fuzz(name: str, n_executions: int) -> None:
    target = TARGETS[name]

    @settings(max_examples=n_executions, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(content=_spoiled(name))
    def run(content: bytes) -> None:
        with contextlib.suppress(*target.errors):
            target.read(content)

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_a_spoiled_input_gives_a_value_or_the_readers_own_error(name: str) -> None:
    _fuzz(name, N_SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_spoiled_input_gives_a_value_or_the_readers_own_error_for_hours(name: str) -> None:
    _fuzz(name, N_LONG)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=N_SHORT, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(field=st.sampled_from([*GOOD_TURN, "checks", "checklist", "performance", "duration_s", "sha256"]), value=_JSON)
def test_any_value_in_any_field_costs_that_row_alone(field: str, value: object) -> None:
    good = json.dumps({"id": "good", "turns": [GOOD_TURN]})
    spoiled = json.dumps({"id": "spoiled", "turns": [{**GOOD_TURN, field: value}]})
    manifest = Manifest(suite="s", root=Path("/nowhere"), name="m")
    samples, findings = parse_manifest(f"{spoiled}\n{good}\n".encode(), manifest)
    assert samples[-1].id == "good"
    assert len(samples) + len(findings) == 2


@settings(max_examples=N_SHORT, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(value=_JSON)
def test_what_yaml_writes_plainly_is_read_back_or_refused(value: object) -> None:
    try:
        found = load_yaml(yaml.safe_dump(value, sort_keys=False))
    except YamlError:
        return
    assert json.dumps(found, default=str) == json.dumps(value, default=str)
