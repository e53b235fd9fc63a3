from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model.config import LinguisticConfig
from aqaa_eval.reference_model.tokenizer import DualTokenizer, WeightsError
from aqaa_eval.reference_model.tokenizer.weights import load_cmvn, load_codebook, load_linguistic

CMVN = """<Nnet>
<Splice> 560 560
[ 0 ]
<AddShift> 560 560
<LearnRateCoef> 0 [ {shift} ]
<Rescale> 560 560
<LearnRateCoef> 0 [ {scale} ]
</Nnet>
"""


def numbers(values: range) -> str:
    return " ".join(f"{value / 8}" for value in values)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zipped", [True, False])
def test_paraformers_encoder_is_read_and_its_decoder_left(
    sizes: Any, tokenizer: DualTokenizer, tmp_path: Path, nested: bool, zipped: bool
) -> None:
    state = {f"encoder.{key}": value for key, value in tokenizer.linguistic.state_dict().items()}
    state |= {"decoder.embed.0.weight": torch.zeros(3, 3), "predictor.cif_output.bias": torch.zeros(1)}
    path = tmp_path / "model.pt"
    torch.save({"state_dict": state} if nested else state, path, _use_new_zipfile_serialization=zipped)
    loaded = load_linguistic(path, sizes.linguistic).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in tokenizer.linguistic.state_dict().items())


def test_a_checkpoint_that_does_not_fit_is_refused_with_every_misfit(
    sizes: Any, tokenizer: DualTokenizer, tmp_path: Path
) -> None:
    state = {f"encoder.{key}": value for key, value in tokenizer.linguistic.state_dict().items()}
    del state["encoder.after_norm.bias"]
    state["encoder.after_norm.weight"] = torch.zeros(7)
    state["encoder.encoders.0.norm1.bias"] = torch.zeros(32, dtype=torch.int64)
    state["encoder.embed.weight"] = torch.zeros(2)
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(WeightsError) as caught:
        load_linguistic(tmp_path / "model.pt", sizes.linguistic)
    assert str(caught.value).splitlines()[1:] == [
        "  after_norm.weight has shape (7,), must be (32,)",
        "  encoders.0.norm1.bias holds torch.int64, must be floats",
        "  missing after_norm.bias (32,)",
        "  unexpected embed.weight (2,)",
    ]


def test_the_shift_and_the_scale_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "am.mvn"
    path.write_text(CMVN.format(shift=numbers(range(-560, 0)), scale=numbers(range(560))), encoding="utf-8")
    cmvn = load_cmvn(path)
    assert cmvn.shape == (2, 560)
    assert (float(cmvn[0, 0]), float(cmvn[1, 559])) == (-70.0, 559 / 8)


def test_a_short_row_of_normalisation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "am.mvn"
    path.write_text(CMVN.format(shift=numbers(range(560)), scale=numbers(range(9))), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"am\.mvn: <Rescale> has 9 numbers; it must have 560"):
        load_cmvn(path)


def test_centroids_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    config, path = LinguisticConfig(dim=32, heads=4), tmp_path / "linguistic_tokenizer.npy"
    good = np.arange(1024 * 32, dtype=np.float32).reshape(1024, 32)
    np.save(path, good)
    assert torch.equal(load_codebook(path, config), torch.from_numpy(good))
    for bad in (good[:, :5], good.astype(np.int64), np.full_like(good, np.nan)):
        np.save(path, bad)
        with pytest.raises(WeightsError, match=r"finite floats \(1024, 32\)"):
            load_codebook(path, config)


def test_a_folder_without_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds 0 files named speech_tokenizer_v1\.onnx"):
        DualTokenizer.from_published(tmp_path)
