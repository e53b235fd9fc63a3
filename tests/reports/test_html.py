from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.attempt import Doubt, SecondHearing, Status
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.assets import report_frame
from aqaa_eval.reports.html import render_report, write_report
from aqaa_eval.reports.summary import summarise
from tests.reports.builders import (
    answered,
    attempt,
    broken,
    check,
    missing,
    nine_suites,
    question,
    run_log,
    score,
    store,
    syllables,
    transcript,
)
from tests.reports.payloads import PAYLOADS, hostile_log

VOID = {"meta", "link", "input", "br", "path", "circle"}


class Page(HTMLParser):
    """The skeleton of a page (tags with the names of their attributes) and the text of each element."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skeleton: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.contents: dict[str, list[str]] = {"script": [], "style": []}
        self.blocks: dict[str, str] = {}
        self._open = self._block = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skeleton.append((tag, tuple(name for name, _ in attrs)))
        self.attributes.append((tag, dict(attrs)))
        self._open = tag
        self._block = (dict(attrs)["id"] or "") if tag == "script" and "type" in dict(attrs) else ""

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._block and self._open == "script":
            self.blocks[self._block] = self.blocks.get(self._block, "") + data
        elif self._open in self.contents:
            self.contents[self._open].append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def data(self, name: str) -> Any:
        return json.loads(self.blocks[name])

    @property
    def data_text(self) -> str:
        """All that the page knows of conversations, as JSON without escapes."""
        names = [name for name in self.blocks if name == "index" or name.startswith("data-")]
        return " ".join(json.dumps(self.data(name), ensure_ascii=False) for name in names)

    @property
    def strings(self) -> list[str]:
        """Every text of the conversations' blocks."""
        return [text for name in self.blocks if name.startswith("data-") for text in _strings(self.data(name))]

    @property
    def policy(self) -> str:
        found = [a["content"] for _, a in self.attributes if a.get("http-equiv") == "Content-Security-Policy"]
        assert len(found) == 1
        return found[0] or ""

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.attributes if name in attrs]


def _strings(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    for value in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _strings(value)


def small_log(folder: Path) -> RunLog:
    name = store(folder, "a.flac", syllables(duration_s=0.6))
    turns = [answered(asked=question(audio=name), audio=name), broken(Failure.TIMEOUT, "no answer in 60 s")]
    evidence = (check("says_number(value=4)", True), check("says_number(value=5)", False, measured="heard 4, asked 5"))
    scores = [
        score("mos", 3.0, reason="content 1.0 x 3.00", evidence=evidence),
        missing("speech", Status.FAILED, Failure.TIMEOUT, turn=1),
    ]
    return run_log(folder, [attempt("gaming", "g01", scores, turns=turns)], n_planned=2)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_of_others_changes_the_shape_of_the_page(tmp_path: Path, payload: str) -> None:
    plain, hostile = (
        Page(render_report(hostile_log(tmp_path, "harmless"))),
        render_report(hostile_log(tmp_path, payload)),
    )
    page = Page(hostile)
    assert page.skeleton == plain.skeleton
    assert page.contents == plain.contents  # one style sheet and one script: ours
    assert list(page.blocks) == list(plain.blocks)
    assert page.texts.count(payload) >= 8  # shown as it is, not swallowed
    assert page.strings.count(payload) >= 15
    assert not [value for value in page.values("href") if not value.startswith(("#", "data:,"))]


def test_a_template_in_a_text_is_not_run(tmp_path: Path) -> None:
    page = Page(render_report(hostile_log(tmp_path, "{{ 6 * 7 }}{% if true %}seen{% endif %}")))
    assert "{{ 6 * 7 }}{% if true %}seen{% endif %}" in page.text
    assert "{{ 6 * 7 }}{% if true %}seen{% endif %}" in page.data_text


def test_titles_in_the_radar_are_inert(tmp_path: Path) -> None:
    log = nine_suites(tmp_path, n_samples=1)
    cards = {suite: item.model_copy(update={"title": PAYLOADS[0]}) for suite, item in log.cards.items()}
    page = Page(render_report(replace(log, cards=cards)))
    assert len(page.contents["script"]) == 1
    assert page.text.count(PAYLOADS[0]) >= 18


def test_only_our_script_and_our_style_are_allowed_by_their_hashes(tmp_path: Path) -> None:
    page = Page(render_report(small_log(tmp_path)))
    policy = page.policy
    for kind, name in (("script", "script-src"), ("style", "style-src")):
        [content] = page.contents[kind]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "media-src data:;" in policy


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    html = render_report(nine_suites(tmp_path, n_samples=1))
    page = Page(html)
    assert page.values("src") == []
    sounds = [text for name, text in page.blocks.items() if name.startswith("sound-")]
    assert len(sounds) == 17  # nine questions and the eight answers to them
    assert all(re.fullmatch(r"data:audio/flac;base64,[A-Za-z0-9+/=]+", text) for text in sounds)
    assert not re.search(r"(url\(|@import|https?://(?!www\.w3\.org))", html)
    assert page.values("style") == []
    assert not [name for _, names in page.skeleton for name in names if name.startswith("on")]


def test_every_id_is_used_once_and_every_link_within_the_page_leads_somewhere(tmp_path: Path) -> None:
    page = Page(render_report(nine_suites(tmp_path, n_samples=2, n_repeats=2)))
    anchors = [item["anchor"] for item in page.data("index")["items"]]
    ids = page.values("id") + anchors
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(ids)
    assert {"item-gaming-g01", "item-gaming-g01-r1"} <= set(anchors)


def test_strange_names_get_anchors_of_their_own(tmp_path: Path) -> None:
    samples = ["a b", "a-b", "a/b", "ä b", "a b@1", "g01-r1"]
    attempts = [attempt("gaming", sample) for sample in samples] + [attempt("gaming", "g01", repeat=1)]
    anchors = [item["anchor"] for item in Page(render_report(run_log(tmp_path, attempts))).data("index")["items"]]
    assert len(set(anchors)) == len(attempts)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", anchor) for anchor in anchors)


def test_the_page_tells_what_happened(tmp_path: Path) -> None:
    page = Page(render_report(small_log(tmp_path)))
    for told in (
        "1 of 2 planned conversations begun",
        "whisper:base sha256:ed3a0b6b",
        "2.13.0",
        "no interval: too few conversations",
        "1 recording inside this file",
    ):
        assert told in page.text, told
    for told in (
        '["says_number(value=5)", 0, "heard 4, asked 5", "content"]',
        "no answer in 60 s",
        "content 1.0 x 3.00",
        "no speech can be had",
        '"passed": 1, "checks": 2',
    ):
        assert told in page.data_text, told


def test_what_a_reader_must_know_of_the_measuring_stands_on_top(tmp_path: Path) -> None:
    page = render_report(replace(nine_suites(tmp_path), notes=("the judge <b>drifted</b>", "shard 1 of 2")))
    top = page[: page.index("<main")]
    assert "the judge &lt;b&gt;drifted&lt;/b&gt;" in top
    assert "shard 1 of 2" in top


def test_what_was_heard_otherwise_than_written_is_marked_word_by_word(tmp_path: Path) -> None:
    turn = Page(render_report(small_log(tmp_path))).data("data-0")["turns"][0]
    assert turn["own"] == [["Two and two is ", 0], ["four.", 1]]
    assert turn["heard"][-2:] == [" ", ["for.", 1, 4]]
    assert turn["words"][4] == [1.6, 1.92]


def test_what_the_second_ear_heard_is_marked(tmp_path: Path) -> None:
    doubts = (Doubt(start=8, end=11, instead="too"),)
    heard = replace(
        transcript("Two and two."), second=SecondHearing(asr="b", text="Two and too.", doubts=doubts), words=()
    )
    turns = [replace(answered(text=None), transcript=heard)]
    log = run_log(tmp_path, [attempt("gaming", "g01", [score("mos", 2.0)], turns=turns)])
    page = Page(render_report(log))
    turn = page.data("data-0")["turns"][0]
    assert turn["heard"] == ["Two and ", ["two", 0, None, 0], "."]
    assert turn["second"] == {"asr": "b", "text": "Two and too.", "instead": ["too"]}
    assert "Flagged" in page.text


def test_the_list_knows_by_what_it_is_filtered_and_ordered(tmp_path: Path) -> None:
    scores = [
        score("content", 4.0),
        score("checks_content", 1.5),
        score("disagreement", 0.5),
        score("fidelity", 0.5, turn=0, weight=10),
        score("fidelity", 0.0, turn=1, weight=30),
    ]
    attempts = [attempt("gaming", "g01", scores), attempt("gaming", "g02", [score("mos", 2.0)])]
    index = Page(render_report(run_log(tmp_path, attempts))).data("index")
    first, second = index["items"]
    assert (first["split"], first["gap"], first["languages"]) == (2.5, 0.125, ["en"])
    assert dict(zip(index["metrics"], first["values"], strict=True))["fidelity"] == 0.125
    assert (second["split"], second["gap"], second["mos"]) == (None, None, "2.00")


def test_every_word_of_the_page_is_there_in_both_languages(tmp_path: Path) -> None:
    html = render_report(nine_suites(tmp_path, n_samples=1))
    page = Page(html)
    texts = page.data("texts")
    assert all(english and chinese for english, chinese in texts.values())
    assert not [key for key, (_, chinese) in texts.items() if not re.search("[\u4e00-\u9fff]", chinese)]
    used = set(page.values("data-t")) | {json.loads(told)[1] for told in page.values("data-l")}
    used |= set(re.findall(r'"([a-z]+\.[a-z_]+)"', report_frame(has_links=False).script))
    assert used - {"details.item"} <= set(texts)
    places = {key: [set(re.findall(r"\{\d\}", text)) for text in both] for key, both in texts.items()}
    assert not [key for key, (english, chinese) in places.items() if english != chinese]


def test_the_measuring_chain_names_the_prompts_and_the_second_ear(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    spec = log.spec.model_copy(update={"second_asr": "faster-whisper:tiny", "judge_options": {"panel": "median"}})
    manifest = replace(log.manifest, judge="llm@2+gpt-4o+prompts-1f3a")
    text = Page(render_report(replace(log, spec=spec, manifest=manifest))).text
    for told in ("faster-whisper:tiny", "Option panel median", "Judge, prompts by hash llm@2+gpt-4o+prompts-1f3a"):
        assert told in text, told


def test_one_or_two_suites_are_shown_without_a_radar_and_without_matplotlib(tmp_path: Path) -> None:
    assert '<figure class="radar">' not in render_report(small_log(tmp_path))
    assert '<figure class="radar">' in render_report(nine_suites(tmp_path, n_samples=1))


def test_published_figures_carry_their_mark(tmp_path: Path) -> None:
    page = Page(render_report(nine_suites(tmp_path, n_samples=1)))
    for model in ("Step-Audio-AQAA", "Kimi-Audio", "Qwen-Omni"):
        assert f"{model} (published, other raters)" in "".join(page.texts)
    assert "published, other raters.Source: " in "".join(page.texts).replace(". S", ".S")


def test_beyond_the_limit_recordings_are_linked_and_the_policy_lets_them(tmp_path: Path) -> None:
    page = Page(render_report(small_log(tmp_path), max_embedded_bytes=10))
    turn = page.data("data-0")["turns"][0]
    assert (turn["asked"]["link"], turn["answered"]["link"]) == ("audio/a.flac", "audio/a.flac")
    assert "media-src data: 'self' file:;" in page.policy
    assert (
        "0 recordings inside this file (limit 1e-05 MB); 1 more are read from the folder audio/ beside it" in page.text
    )


def test_a_lost_recording_costs_its_player_and_nothing_else(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    (tmp_path / "audio" / "a.flac").unlink()
    page = Page(render_report(log))
    assert not [name for name in page.blocks if name.startswith("sound-")]
    turn = page.data("data-0")["turns"][0]
    assert turn["asked"]["problem"] == "a.flac: cannot be read (No such file or directory)"
    assert turn["own"][0] == ["Two and two is ", 0]


def test_a_run_of_nothing_still_gives_a_page(tmp_path: Path) -> None:
    assert "No conversation was begun." in render_report(run_log(tmp_path, [], n_planned=3))


def test_the_same_run_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    log = nine_suites(tmp_path, n_samples=2)
    here = write_report(log).read_bytes()
    assert write_report(log, summarise(log)).read_bytes() == here
    code = (
        "import sys; from pathlib import Path; from tests.reports.builders import nine_suites; "
        "from aqaa_eval.reports.html import write_report; write_report(nine_suites(Path(sys.argv[1]), n_samples=2))"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(root), "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment, cwd=root)
    assert (tmp_path / "report.html").read_bytes() == here


def test_half_a_character_in_a_text_does_not_cost_the_report(tmp_path: Path) -> None:
    log = run_log(tmp_path, [attempt("gaming", "g01", turns=[answered(text="a\ud800b\x00", heard="a")])])
    assert b"a?b" in write_report(log).read_bytes()


def test_a_folder_that_cannot_be_written_is_one_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere/report\.html: cannot be written"):
        write_report(run_log(tmp_path / "nowhere", []))
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(run_log(tmp_path, []))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_importing_the_reports_loads_no_chart_library() -> None:
    code = (
        "import sys, aqaa_eval.reports.html, aqaa_eval.reports.table; "
        "print([m for m in ('matplotlib', 'jinja2', 'scipy', 'torch', 'rich', 'soundfile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
