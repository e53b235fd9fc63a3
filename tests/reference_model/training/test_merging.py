from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from aqaa_eval.reference_model.checkpoint import load_model, save_model
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.training import merging
from aqaa_eval.reference_model.training.merging import merge_checkpoints


def folder(tmp_path: Path, name: str, tensors: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / name
    path.mkdir()
    save_file(tensors, path / "model.safetensors")
    (path / "config.json").write_text("{}")
    return path


def weights(value: float, *, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {"a": torch.full((2, 3), value, dtype=dtype), "b": torch.full((4,), -value, dtype=dtype)}


def test_the_papers_weights_by_hand(tmp_path):
    stages = [folder(tmp_path, name, weights(value)) for name, value in (("sft1", 1.0), ("sft2", 2.0), ("dpo", 7.0))]
    merge_checkpoints(stages, tmp_path / "out")
    merged = load_file(tmp_path / "out" / "model.safetensors")
    assert merged["a"].unique().item() == pytest.approx((5 * 1 + 5 * 2 + 1 * 7) / 11)
    assert (tmp_path / "out" / "config.json").read_text() == "{}"


def test_merging_one_checkpoint_with_itself_gives_itself(tmp_path):
    tensors = {"w": torch.randn(7, 5).to(torch.bfloat16), "steps": torch.tensor([3])}
    stages = [folder(tmp_path, name, tensors) for name in "xyz"]
    merge_checkpoints(stages, tmp_path / "out")
    merged = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(merged["w"], tensors["w"])
    assert merged["w"].dtype == torch.bfloat16


def test_a_sharded_model_is_merged_shard_by_shard_and_loads(tmp_path):
    first, second = random_model(tiny(), 1), random_model(tiny(), 2)
    save_model(first, tmp_path / "one", max_shard_size="4MB")
    save_model(second, tmp_path / "two", max_shard_size="4MB")
    assert len(list((tmp_path / "one").glob("*.safetensors"))) > 1
    merge_checkpoints([tmp_path / "one", tmp_path / "two"], tmp_path / "out", weights=(1, 3))
    merged = load_model(tmp_path / "out")
    torch.testing.assert_close(
        merged.backbone.lm_head.weight,
        0.25 * first.backbone.lm_head.weight + 0.75 * second.backbone.lm_head.weight,
    )


def test_shapes_keys_types_and_vocabularies_that_differ_are_all_listed(tmp_path):
    one = folder(tmp_path, "one", weights(1.0) | {"only": torch.zeros(1)})
    two = folder(tmp_path, "two", {"a": torch.zeros(3, 2), "b": torch.zeros(4, dtype=torch.int64)})
    (two / "tokenizer.model").write_bytes(b"other")
    with pytest.raises(WeightsError) as caught:
        merge_checkpoints([one, two], tmp_path / "out", weights=(1, 1))
    told = str(caught.value)
    assert all(part in told for part in ("two lacks only", "F32 (2, 3)", "(3, 2)", "I64", "another tokenizer.model"))
    assert not (tmp_path / "out").exists()


def test_sizes_that_no_tensor_shows_must_be_equal_too(tmp_path):
    """Six heads or three have the same matrices; so has a vocabulary whose audio begins elsewhere."""
    for name in ("one", "two"):
        save_model(random_model(tiny(), 1), tmp_path / name)
    path = tmp_path / "two" / "config.json"
    values = json.loads(path.read_text())
    values["aqaa"]["step1"]["num_attention_heads"] //= 2
    values["aqaa"]["first_audio_id"] -= 8
    values["aqaa"]["temperature"] = 0.9  # of its answers: no matter here
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError) as caught:
        merge_checkpoints([tmp_path / "one", tmp_path / "two"], tmp_path / "out", weights=(1, 1))
    told = str(caught.value)
    assert "2 places" in told
    assert f"first_audio_id is 760 in {tmp_path}/two/config.json and 768 in {tmp_path}/one's" in told
    assert "step1.num_attention_heads is 3 in " in told


def test_many_faults_are_told_in_few_lines(tmp_path):
    stages = [folder(tmp_path, name, {f"{name}{place}": torch.zeros(1) for place in range(40)}) for name in "ab"]
    with pytest.raises(WeightsError) as caught:
        merge_checkpoints(stages, tmp_path / "out", weights=(1, 1))
    lines = str(caught.value).splitlines()
    assert "80 places" in lines[0]
    assert len(lines) == 12
    assert lines[-1].strip() == "... and 70 more"


def test_checkpoints_in_half_and_whole_precision_have_a_mean_in_whole(tmp_path):
    stages = [folder(tmp_path, "half", weights(1.0, dtype=torch.float16)), folder(tmp_path, "whole", weights(1.0001))]
    merge_checkpoints(stages, tmp_path / "out", weights=(1, 1))
    merged = load_file(tmp_path / "out" / "model.safetensors")["a"]
    assert merged.dtype == torch.float32
    assert merged.unique().item() == pytest.approx(1.00005, abs=1e-7)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_by_key(tmp_path, bad):
    stages = [folder(tmp_path, "one", weights(1.0)), folder(tmp_path, "two", weights(bad))]
    for shares in ((1, 1), (1, 0)):
        with pytest.raises(WeightsError, match=r"a holds NaN or infinite numbers in .*two: that stage diverged"):
            merge_checkpoints(stages, tmp_path / "out", weights=shares)


def test_a_merge_that_fails_in_its_last_shard_leaves_nothing(tmp_path):
    save_model(random_model(tiny(), 1), tmp_path / "one", max_shard_size="4MB")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    last = sorted((tmp_path / "two").glob("*.safetensors"))[-1]
    save_file({key: torch.full_like(tensor, torch.nan) for key, tensor in load_file(last).items()}, last)
    with pytest.raises(WeightsError, match="NaN or infinite numbers in"):
        merge_checkpoints([tmp_path / "one", tmp_path / "two"], tmp_path / "out", weights=(1, 1))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_merge_into_a_folder_that_held_shards_leaves_none_of_them(tmp_path):
    for seed, size in ((1, "4MB"), (2, "1GB")):
        save_model(random_model(tiny(), seed), tmp_path / str(seed), max_shard_size=size)
        merge_checkpoints([tmp_path / str(seed)] * 2, tmp_path / "out", weights=(1, 1))
    assert [path.name for path in (tmp_path / "out").glob("*.safetensors*")] == ["model.safetensors"]
    wanted, merged = load_model(tmp_path / "2"), load_model(tmp_path / "out")
    torch.testing.assert_close(merged.backbone.lm_head.weight, wanted.backbone.lm_head.weight)


class Alive:
    """Bytes of the tensors that were seen and are still held, and the most of them at any time."""

    def __init__(self) -> None:
        self.most = 0
        self._seen: list[weakref.ref] = []

    def see(self, tensors: Iterable[torch.Tensor]) -> None:
        self._seen.extend(weakref.ref(tensor) for tensor in tensors)
        self.most = max(self.most, sum(t.nbytes for ref in self._seen if (t := ref()) is not None))


def test_no_more_than_one_shard_is_held_at_a_time(tmp_path, monkeypatch):
    """Written: one shard. Read: a tensor of each checkpoint."""
    save_model(random_model(tiny(), 1), tmp_path / "one", max_shard_size="4MB")
    written, read = Alive(), Alive()

    def save(tensors, path, metadata):
        written.see(tensors.values())
        save_file(tensors, path, metadata=metadata)

    class Watched:
        def __init__(self, file):
            self.file = file

        def get_tensor(self, key):
            tensor = self.file.get_tensor(key)
            read.see([tensor])
            return tensor

    @contextmanager
    def watched_open(*arguments):
        with safe_open(*arguments) as file:
            yield Watched(file)

    monkeypatch.setattr(merging, "save_file", save)
    monkeypatch.setattr(merging, "safe_open", watched_open)
    merge_checkpoints([tmp_path / "one", tmp_path / "one"], tmp_path / "out", weights=(1, 1))
    paths = list((tmp_path / "out").glob("*.safetensors"))
    shards = [path.stat().st_size for path in paths]
    assert len(shards) > 2
    assert written.most <= max(shards) < 0.7 * sum(shards)
    largest = max(tensor.nbytes for path in paths for tensor in load_file(path).values())
    assert 0 < read.most < 2 * largest + 0.1 * max(shards)


@pytest.mark.parametrize("shares", [(1,), (1, 1, 1), (-1, 2), (0, 0), (float("nan"), 1)])
def test_weights_that_are_no_shares_are_refused(tmp_path, shares):
    stages = [folder(tmp_path, "one", weights(1.0)), folder(tmp_path, "two", weights(2.0))]
    with pytest.raises(WeightsError, match=r"weights"):
        merge_checkpoints(stages, tmp_path / "out", weights=shares)


def test_a_checkpoint_is_never_overwritten_by_the_merge(tmp_path):
    one = folder(tmp_path, "one", weights(1.0))
    with pytest.raises(WeightsError, match="another folder"):
        merge_checkpoints([one, one], one, weights=(1, 1))


def test_whole_numbers_that_differ_are_refused(tmp_path):
    stages = [folder(tmp_path, name, {"steps": torch.tensor([value])}) for name, value in (("one", 1), ("two", 2))]
    with pytest.raises(WeightsError, match="whole numbers"):
        merge_checkpoints(stages, tmp_path / "out", weights=(1, 1))
