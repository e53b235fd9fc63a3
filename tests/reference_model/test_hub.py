"""The model through transformers: auto classes, the pipeline and every form of audio that it takes."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub import ModelCard
from transformers import AutoConfig, AutoModelForCausalLM, pipeline
from transformers.utils import hub as hub_utils

import aqaa_eval.reference_model
from aqaa_eval.reference_model.checkpoint import load_model
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.hub import StepAudioAqaaForCausalLM, wrap
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.tokenizer.errors import AudioInputError, WeightsError

SAMPLES = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint")
    wrap(random_model(tiny(), seed=0)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def answerer(folder: Path) -> Any:
    aqaa_eval.reference_model.register()
    aqaa_eval.reference_model.register()  # a second call changes nothing
    return pipeline("audio-question-answering", model=str(folder), device="cpu")


@pytest.fixture(scope="module")
def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, aqaa_eval.reference_model; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_form_of_the_same_audio_gets_the_same_answer(answerer: Any, wav: bytes, tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    path.write_bytes(wav)
    forms = [
        (SAMPLES, 16_000),
        {"raw": SAMPLES, "sampling_rate": 16_000},
        {"array": SAMPLES, "sampling_rate": 16_000},
        wav,
        path,
        str(path),
    ]
    answers = [answerer(form, max_new_tokens=60, seed=4) for form in forms]
    first = answers[0]
    assert set(first) == {"text", "audio", "sampling_rate"}
    assert first["sampling_rate"] == 24_000
    assert first["text"]
    assert len(first["audio"]) > 2_000
    for answer in answers[1:]:
        assert answer["text"] == first["text"]
        assert np.array_equal(answer["audio"], first["audio"])


def test_a_list_gets_a_list(answerer: Any, wav: bytes) -> None:
    answers = answerer([wav, (SAMPLES[:8000], 16_000)], max_new_tokens=60, layout="text_to_audio", batch_size=1)
    assert [set(answer) for answer in answers] == [{"text", "audio", "sampling_rate"}] * 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/file.wav", r"no/such/file.wav: there is no such file"),
        (b"not audio", r"9 bytes of audio is no audio that libsndfile reads"),
        (SAMPLES, r"a bare array has no rate"),
        ((SAMPLES, 0), r"needs its sample rate in Hz, a positive integer, got 0"),
        ((SAMPLES, 16_000.0), r"needs its sample rate in Hz"),
        ({"sampling_rate": 16_000}, r'neither "raw" nor "array"'),
        ([(SAMPLES, 16_000), b""], r"0 bytes of audio"),
    ],
)
def test_audio_that_cannot_be_read_is_refused_before_any_answer(
    answerer: Any, source: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answerer.model.core, "answer", None)
    with pytest.raises(AudioInputError, match=message):
        answerer(source)


def test_an_unknown_option_is_refused(answerer: Any, wav: bytes) -> None:
    with pytest.raises(ValueError, match="has no option temprature; it has allow_untrained_layout"):
        answerer(wav, temprature=1.0)


def test_the_auto_classes_know_the_model(folder: Path, answerer: Any) -> None:
    config = AutoConfig.from_pretrained(folder)
    assert config.model_type == "step_audio_aqaa"
    assert config.model_config == tiny()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="bfloat16")
    assert isinstance(model, StepAudioAqaaForCausalLM)
    assert model.backbone.lm_head.weight.dtype == torch.bfloat16
    assert model.flow.encoder_proj.weight.dtype == torch.float32


def test_labels_give_the_mean_loss_of_the_next_tokens(answerer: Any) -> None:
    ids = torch.tensor([[1, 4, 70, 800]])
    out = answerer.model(ids, labels=torch.tensor([[-100, -100, 70, 800]]))
    expected = torch.nn.functional.cross_entropy(out.logits[0, 1:3], ids[0, 2:])
    torch.testing.assert_close(out.loss, expected)


def test_save_pretrained_and_from_pretrained_return_the_same_model(folder: Path, answerer: Any, tmp_path: Path) -> None:
    answerer.model.save_pretrained(tmp_path, max_shard_size="4MB")
    again = StepAudioAqaaForCausalLM.from_pretrained(tmp_path)
    ids = torch.tensor([[1, 4, 70, 800]])
    with torch.inference_mode():
        assert torch.equal(again(ids).logits, answerer.model(ids).logits)
    assert load_model(tmp_path).config == tiny()


def test_a_folder_of_another_model_gives_our_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(WeightsError, match="holds no"):
        StepAudioAqaaForCausalLM.from_pretrained(tmp_path)


def test_pushing_uploads_what_save_pretrained_writes(answerer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The network is the one thing replaced: what would be uploaded is listed instead.
    seen: dict[str, Any] = {}

    class Api:
        def create_repo(self, repo_id: str, **_: Any) -> Any:
            return SimpleNamespace(repo_id=repo_id)

    def record(self: Any, folder: str, repo_id: str, **_: Any) -> str:
        seen.update(files={path.name for path in Path(folder).iterdir()}, repository=repo_id)
        return "done"

    monkeypatch.setattr(hub_utils, "hf_api", Api)
    monkeypatch.setattr(hub_utils, "create_and_tag_model_card", lambda *_, **__: ModelCard("a card"))
    monkeypatch.setattr(StepAudioAqaaForCausalLM, "_upload_modified_files", record)
    assert answerer.model.push_to_hub("someone/aqaa") == "done"
    assert seen["repository"] == "someone/aqaa"
    assert {"config.json", "model.safetensors", "tokenizer.model", "README.md"} <= seen["files"]
