"""`aqaa-eval train` on rows of one's own and by recipe; told wrongly, one line with the value and the way out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from aqaa_eval.cli.training_studio import OfflineStudio
from aqaa_eval.cli.training_voice import answer_voice
from aqaa_eval.reference_model import load
from aqaa_eval.reference_model.audio_input import read_recording
from aqaa_eval.reference_model.checkpoint import save_model
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.training.domain.kinds import PLAIN

COMMAND = Path(sys.executable).with_name("aqaa-eval")
WEIGHT = "model.layers.0.mlp.down_proj.weight"
STAGES = {"sft": {"before", "sft1", "sft2"}, "dpo": {"dpo", "dpo_plain"}, "merge": {"merged"}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--preset", "huge"), "--preset huge: there is no such recipe; use one of tiny, long, further, smoke"),
        (("--start", "nowhere"), "train --start nowhere: nowhere/config.json is missing"),
        (("--keep-tokenizer",), "train --keep-tokenizer: a tokenizer can be kept only of a start: give one"),
    ],
)
def test_a_start_or_preset_that_is_not_there_is_named(cli, tmp_path, given, message):
    done = cli("train", "all", "--out", tmp_path / "work", *given)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "work").exists()


def test_a_folder_goes_on_only_as_it_was_begun(cli, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "begun.json").write_text('{"preset": "smoke", "start": "tiny", "keep_tokenizer": true}')
    for given in ((), ("--start", "tiny")):
        done = cli("train", "all", "--preset", "smoke", "--out", folder, *given)
        assert done.code == 2
        assert f"{folder} was begun with --preset smoke --start tiny --keep-tokenizer: give the same" in done.err
    assert [path.name for path in folder.iterdir()] == ["begun.json"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_model(random_model(tiny(), seed=0), folder)
    return folder


def rows(folder: Path, *, spoken: bool = True) -> Path:
    """Three questions with right and wrong answers, one of them broken in the middle of twenty good ones more."""
    times = np.arange(6_400) / 16_000
    values = []
    for place in range(23):
        name = f"q{place}.wav"
        soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * (150 + place) * times), 16_000)
        said = {"text": f"You get {place}."} | ({"audio": name} if spoken else {})
        wrong = {"text": "You get ten."} | ({"audio": name} if spoken else {})
        asked = {"role": "human", "text": "How much?", "audio": name}
        values.append({"key": f"r{place}", "turns": [asked], "answer": [said], "chosen": [said], "rejected": [wrong]})
    lines = [json.dumps(row) for row in values]
    path = folder / "rows.jsonl"
    path.write_text("\n".join([*lines[:7], "{not json", *lines[7:]]) + "\n")
    return path


QUICK = ("--steps", 1, "--length", 512, "--batch", 2)


def test_stages_on_own_rows_and_their_merge_make_models_that_load(cli, tmp_path, model):
    data = rows(tmp_path)
    made = []
    for verb, *options in (("sft", "--checkpointing", "--accumulate", 2), ("dpo", "--plain"), ("dpo",)):
        out = tmp_path / f"{verb}{len(made)}"
        done = cli("train", verb, "--model", model, "--data", data, "--out", out, *QUICK, *options)
        assert done.code == 0, done.err
        assert done.out == f"{out / 'model'}\n"
        assert json.loads((out / "skipped.json").read_text())["rows"] == 24
        assert list(json.loads((out / "skipped.json").read_text())["skipped"]) == ["line 8"]
        assert "100 % (1 of 1)" in done.err
        made.append(out / "model")
    merged = tmp_path / "merged"
    done = cli("train", "merge", *(folder.parent for folder in made), "--weights", "5,5,1", "--out", merged)
    assert (done.code, done.out) == (0, f"{merged}\n")
    weights = [load(str(folder)).backbone.state_dict()[WEIGHT] for folder in (*made, merged)]
    torch.testing.assert_close(weights[3], (5 * weights[0] + 5 * weights[1] + weights[2]) / 11)


@pytest.mark.filterwarnings("default")
def test_two_processes_take_the_step_of_one_with_two_batches(cli, tmp_path, model):
    asked = ("train", "sft", "--model", model, "--data", rows(tmp_path), *QUICK)
    one = cli(*asked, "--out", tmp_path / "one", "--accumulate", 2)
    assert one.code == 0, one.err
    run = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2)
    command = [str(part) for part in (*run, COMMAND, *asked, "--out", tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    two = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert two.returncode == 0, two.stderr[-2000:]
    assert two.stdout == f"{tmp_path / 'two' / 'model'}\n"  # once, and not by each
    steps = {name: json.loads((tmp_path / name / "training" / "metrics.jsonl").read_text()) for name in ("one", "two")}
    assert steps["two"]["count"] == steps["one"]["count"]
    assert steps["two"]["loss"] == pytest.approx(steps["one"]["loss"], rel=1e-5)
    assert steps["two"]["norm"] == pytest.approx(steps["one"]["norm"], rel=1e-3)
    weights = [load(str(tmp_path / name / "model")).backbone.state_dict()[WEIGHT] for name in steps]
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("voice", ["hibari", f"{__name__}:buzz"])
def test_answers_without_sound_are_spoken_by_the_voice_that_is_given(cli, tmp_path, model, voice):
    data = rows(tmp_path, spoken=False)
    taught = {}
    for name, options in (("text", ()), ("spoken", ("--voice", voice))):
        out = tmp_path / name
        done = cli("train", "sft", "--model", model, "--data", data, "--out", out, *QUICK, *options)
        assert done.code == 0, done.err
        [step] = (out / "training" / "metrics.jsonl").read_text().splitlines()
        taught[name] = json.loads(step)["count"]
    assert taught["spoken"] > 2 * taught["text"]  # the codes of the sound are learnt, too


def buzz(text: str) -> tuple[np.ndarray, int]:
    """A voice of one's own."""
    times = np.arange(800 * len(text)) / 16_000
    return np.sin(2 * np.pi * 200 * times), 16_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("sft", "--data", "rows.jsonl", "--out", "x"), "train sft: --model is missing; give it, or --preset tiny"),
        (("dpo", "--model", "m", "--out", "x"), "train dpo: --data is missing"),
        (
            ("sft", "--preset", "smoke", "--model", "m", "--steps", "9"),
            "numbers of its own: leave out --model, --steps",
        ),
        (("dpo", "--preset", "smoke", "--plain"), "train dpo --preset smoke follows a recipe, which has models, data"),
        (("merge", "a", "b", "--preset", "smoke"), "leave out MODELS"),
        (("sft", "--model", "m", "--start", "tiny"), "train sft: --start belongs to a recipe: give --preset"),
        (("sft", "--preset", "further"), "--preset further takes trained weights further: give them by --start"),
        (("sft", "--preset", "smoke", "--keep-tokenizer"), "a tokenizer can be kept only of a start: give one"),
        (("sft", "--model", "m", "--data", "d", "--out", "x", "--batch", "0"), "0 in a batch: both must be at least 1"),
        (("merge", "a", "b"), "train merge: --out is missing"),
        (("all", "--preset", "further"), "--preset further takes trained weights further: give them by --start"),
    ],
)
def test_what_a_stage_lacks_is_named(cli, given, message):
    done = cli("train", *given)
    assert done.code == 2
    assert message in done.err


def test_a_result_that_cannot_be_written_is_told_in_a_line(cli, tmp_path, model):
    data = rows(tmp_path)
    done = cli("train", "sft", "--model", model, "--data", data, "--out", data, *QUICK)
    assert done.code == 2
    assert f"train sft: [Errno 17] File exists: '{data}'" in done.err


def test_a_stop_by_ctrl_c_is_told_and_goes_on_from_the_last_tenth(cli, tmp_path, model):
    asked = ("train", "sft", "--model", model, "--data", rows(tmp_path), "--out", tmp_path / "out", "--steps", 30)
    asked = (*asked, "--length", 256, "--batch", 1)
    metrics = tmp_path / "out" / "training" / "metrics.jsonl"
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # work in the background ignores it
    process = subprocess.Popen([str(part) for part in (COMMAND, *asked)], stderr=subprocess.PIPE, text=True, **heard)
    until = time.monotonic() + 120
    while not (metrics.is_file() and len(metrics.read_text().splitlines()) >= 4) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert "aqaa-eval: stopped; give the same command again to go on" in told
    assert process.returncode == 3
    assert any((tmp_path / "out" / "training").glob("step-*"))
    done = cli(*asked)
    assert done.code == 0, done.err
    assert [json.loads(line)["step"] for line in metrics.read_text().splitlines()] == list(range(1, 31))


def test_the_bundled_model_goes_on_with_the_voice_that_it_has():
    """Another take of the same voice is other codes, which it would have to learn anew."""
    spoken = read_recording(answer_voice("hibari")("The opposite is cold."))
    taught = OfflineStudio().answer("The opposite is cold.", PLAIN)
    assert spoken.sample_rate_hz == taught.sample_rate_hz
    np.testing.assert_array_equal(spoken.samples, taught.samples)


def test_a_voice_of_ones_own_is_found_where_the_command_is_given(tmp_path, monkeypatch):
    (tmp_path / "my_own_voice.py").write_text("def say(text):\n    return text, 16000\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert answer_voice("my_own_voice:say")("hm") == ("hm", 16000)


def test_a_voice_that_is_none_is_named(cli, tmp_path, model):
    for voice in ("nobody", "no_such_module:speak"):
        out = ("--out", tmp_path / "x")
        done = cli("train", "sft", "--model", model, "--data", rows(tmp_path), *out, "--voice", voice)
        assert done.code == 2
        assert f"--voice {voice}: no such voice" in done.err


@pytest.mark.slow
def test_a_recipe_ends_at_the_stage_that_is_asked_for_and_goes_on_from_there(cli, tmp_path):
    models = set()
    for verb, made in STAGES.items():
        done = cli("train", verb, "--preset", "smoke", "--out", tmp_path / "work")
        assert done.code == 0, done.err
        models |= made
        assert {path.name for path in (tmp_path / "work" / "models").iterdir()} == models
    before = (tmp_path / "work" / "stages" / "sft1" / "metrics.jsonl").read_bytes()
    assert cli("train", "all", "--preset", "smoke", "--out", tmp_path / "work").code == 0
    assert (tmp_path / "work" / "stages" / "sft1" / "metrics.jsonl").read_bytes() == before
    assert (tmp_path / "work" / "shipped" / "config.json").is_file()
