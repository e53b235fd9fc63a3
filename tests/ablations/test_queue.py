from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aqaa_eval.ablations.design import Arm, Design, against_first
from aqaa_eval.ablations.findings import find
from aqaa_eval.ablations.measures import LENGTH, MOS
from aqaa_eval.ablations.queue import drive, grouped
from aqaa_eval.ablations.running import Place, place_arms, read_arms
from aqaa_eval.adapters import fake
from aqaa_eval.core.attempt import Attempt, Query, Response, Score
from aqaa_eval.core.runlog import Manifest
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.executors.local import LocalExecutor
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.run import RunRequest
from aqaa_eval.engine.work import Tools
from tests.engine.builders import CountingTranscriber, LengthJudge, ToneSuite, Watcher


@dataclass
class Recorder:
    """A model that remembers who was asked what, in a list that several arms share."""

    name: str
    asked: list[str] = field(default_factory=list)
    stops_after: int | None = None

    @property
    def identity(self) -> str:
        return f"recorder:{self.name}"

    def answer(self, query: Query) -> Response:
        if self.stops_after is not None and len(self.asked) >= self.stops_after:
            raise SystemExit("killed")
        self.asked.append(f"{self.name} {query.key}")
        return fake.build("echo", {}).answer(query)


@dataclass(frozen=True, kw_only=True)
class Harsh(LengthJudge):
    """Takes a point off."""

    identity: str = "harsh@1"

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        [score] = LengthJudge.judge(self, attempt)
        assert score.value is not None
        return (Score(metric="mos", value=score.value - 1, reason="harsh", judge=self.identity),)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Parts of the arms; the name of a spec's judge and ear chooses them."""

    suite: ToneSuite
    models: dict[str, Recorder]
    heard: Path
    judged: Path

    def request(self, place: Place) -> RunRequest:
        spec = place.spec
        model = self.models[spec.model]
        judge = {"kind": LengthJudge, "harsh": Harsh}[spec.judge](calls=self.judged)
        ear = None if spec.asr == "none" else CountingTranscriber(identity=spec.asr, calls=self.heard)
        tools = Tools(
            model=model, model_identity=model.identity, transcriber=ear, judge=judge, guard=lambda _audio: None
        )
        manifest = Manifest(model=model.identity, asr=tools.asr_identity, judge=judge.identity, normaliser="0")
        return RunRequest(spec=spec, suites=[self.suite], tools=tools, manifest=manifest, folder=place.folder)


def bench(folder: Path, asked: list[str], *, stops_after: int | None = None) -> Bench:
    return Bench(
        suite=ToneSuite(folder=folder / "data", n_samples=3, n_turns=1),
        models={name: Recorder(name, asked, stops_after) for name in ("a", "b")},
        heard=folder / "heard.txt",
        judged=folder / "judged.txt",
    )


def spec(model: str = "a", *, asr: str = "none", judge: str = "kind") -> RunSpec:
    return RunSpec(model=model, suites=("tones",), asr=asr, judge=judge)


def go(arms: dict[str, RunSpec], out: Path, parts: Bench) -> tuple[list[Place], Watcher]:
    places = place_arms(list(arms.items()), out)
    requests = {place.arm: parts.request(place) for place in places}
    watcher = Watcher()
    drive(grouped(requests, {place.arm: place.owner for place in places}), executor=LocalExecutor(), progress=watcher)
    return places, watcher


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_a_conversation_is_put_to_every_arm_before_the_next_one(tmp_path: Path) -> None:
    asked: list[str] = []
    go({"one": spec("a"), "two": spec("b")}, tmp_path / "out", bench(tmp_path, asked))
    assert asked == [f"{arm} tones/t0{n}#0" for n in range(3) for arm in ("a", "b")]


def test_the_same_command_again_asks_hears_and_judges_nothing(tmp_path: Path) -> None:
    asked: list[str] = []
    arms = {"one": spec("a", asr="ear"), "two": spec("b", asr="ear")}
    parts = bench(tmp_path, asked)
    go(arms, tmp_path / "out", parts)
    before = (list(asked), lines(parts.heard), lines(parts.judged))
    _, watcher = go(arms, tmp_path / "out", parts)
    assert (asked, lines(parts.heard), lines(parts.judged)) == before
    assert watcher.begun == {"n_jobs": 6, "n_stored": 6}


def test_a_killed_ablation_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    arms = {"one": spec("a"), "two": spec("b")}
    asked: list[str] = []
    with pytest.raises(SystemExit):
        go(arms, tmp_path / "out", bench(tmp_path, asked, stops_after=3))
    stored = {
        f"{log.spec.model} {attempt.key}#0"
        for name in arms
        for log in [load_run(tmp_path / "out" / "arms" / name)]
        for attempt in log.attempts
        if attempt.turns and attempt.turns[0].audio
    }
    assert stored <= set(asked)
    rest: list[str] = []
    places, _ = go(arms, tmp_path / "out", bench(tmp_path, rest))
    assert not stored & set(rest)
    assert stored | set(rest) == {f"{arm} tones/t0{n}#0" for n in range(3) for arm in ("a", "b")}
    assert read_arms(places, [MOS], tmp_path / "out").is_complete


def test_arms_share_the_answers_the_transcripts_and_the_verdicts_that_they_have_in_common(tmp_path: Path) -> None:
    asked: list[str] = []
    parts = bench(tmp_path, asked)
    arms = {
        "base": spec(asr="ear-1"),
        "same": spec(asr="ear-1"),
        "judge": spec(asr="ear-1", judge="harsh"),
        "ear": spec(asr="ear-2"),
    }
    places, _ = go(arms, tmp_path / "out", parts)
    assert len(asked) == 3
    assert len(lines(parts.heard)) == 3 * 2  # two ears
    assert len(lines(parts.judged)) == 3 * 3  # kind on ear 1, harsh on ear 1, kind on ear 2
    measured = read_arms(places, [MOS], tmp_path / "out")
    base, same, harsh = (measured.values["mos"][arm] for arm in ("base", "same", "judge"))
    assert base == same
    assert harsh == {key: value - 1 for key, value in base.items()}


def test_an_arm_that_is_added_later_asks_only_for_itself(tmp_path: Path) -> None:
    asked: list[str] = []
    parts = bench(tmp_path, asked)
    go({"one": spec("a"), "strict": spec("a", judge="harsh")}, tmp_path / "out", parts)
    assert len(asked) == 3
    go({"one": spec("a"), "strict": spec("a", judge="harsh"), "two": spec("b")}, tmp_path / "out", parts)
    assert asked[3:] == [f"b tones/t0{n}#0" for n in range(3)]


def test_every_arm_is_a_run_that_other_verbs_read(tmp_path: Path) -> None:
    go({"one": spec("a"), "strict": spec("a", judge="harsh")}, tmp_path / "out", bench(tmp_path, []))
    one, strict = (load_run(tmp_path / "out" / "arms" / name) for name in ("one", "strict"))
    assert [attempt.key for attempt in one.attempts] == [attempt.key for attempt in strict.attempts]
    assert {log.manifest.judge for log in (one, strict)} == {"length@1", "harsh@1"}


def test_the_effect_of_a_harsher_judge_is_found(tmp_path: Path) -> None:
    arms = {"kind": spec(), "harsh": spec(judge="harsh")}
    places, _ = go(arms, tmp_path / "out", bench(tmp_path, []))
    design = Design(
        name="judges",
        title="Two judges",
        question="which is harsher?",
        arms=tuple(Arm(name=name, title=name, spec=each) for name, each in arms.items()),
        comparisons=against_first(list(arms)),
        measures=(MOS, LENGTH),
    )
    findings = find(design, read_arms(places, design.measures, tmp_path / "out"))
    [effect] = findings.effects["mos"]
    assert effect.difference.value == pytest.approx(-1.0)
    [same] = findings.effects["answer_s"]
    assert same.difference.value == 0
    assert [arm.place for arm in findings.arms] == ["arms/kind", "arms/harsh"]
