from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import RunLog
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
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skeleton.append((tag, tuple(name for name, _ in attrs)))
        self.attributes.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.contents:
            self.contents[self._open].append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def policy(self) -> str:
        found = [a["content"] for _, a in self.attributes if a.get("http-equiv") == "Content-Security-Policy"]
        assert len(found) == 1
        return found[0] or ""

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.attributes if name in attrs]


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
    assert page.texts.count(payload) >= 10  # shown as it is, not swallowed
    assert not [value for value in page.values("href") if not value.startswith(("#", "data:,"))]


def test_a_template_in_a_text_is_not_run(tmp_path: Path) -> None:
    page = Page(render_report(hostile_log(tmp_path, "{{ 6 * 7 }}{% if true %}seen{% endif %}")))
    assert "{{ 6 * 7 }}{% if true %}seen{% endif %}" in page.text


def test_titles_in_the_radar_are_inert(tmp_path: Path) -> None:
    log = nine_suites(tmp_path, n_samples=1)
    cards = {suite: item.model_copy(update={"title": PAYLOADS[0]}) for suite, item in log.cards.items()}
    page = Page(render_report(replace(log, cards=cards)))
    assert [tag for tag, _ in page.skeleton].count("script") == 1
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
    assert all(value.startswith("data:audio/") for value in page.values("src"))
    assert not re.search(r"(url\(|@import|https?://(?!www\.w3\.org))", html)
    assert page.values("style") == []
    assert not [name for _, names in page.skeleton for name in names if name.startswith("on")]


def test_every_id_is_used_once_and_every_link_within_the_page_leads_somewhere(tmp_path: Path) -> None:
    page = Page(render_report(nine_suites(tmp_path, n_samples=2, n_repeats=2)))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(ids)
    assert {"item-gaming-g01", "item-gaming-g01-r1"} <= set(ids)


def test_strange_names_get_anchors_of_their_own(tmp_path: Path) -> None:
    samples = ["a b", "a-b", "a/b", "ä b", "a b@1", "g01-r1"]
    attempts = [attempt("gaming", sample) for sample in samples] + [attempt("gaming", "g01", repeat=1)]
    anchors = [value for value in Page(render_report(run_log(tmp_path, attempts))).values("id") if "item-" in value]
    assert len(set(anchors)) == len(attempts)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", anchor) for anchor in anchors)


def test_the_page_tells_what_happened(tmp_path: Path) -> None:
    text = Page(render_report(small_log(tmp_path))).text
    for told in (
        "1 of 2 planned conversations begun",
        "says_number(value=5)",
        "heard 4, asked 5",
        "not passed",
        "1/2 checks",
        "no answer in 60 s",
        "content 1.0 x 3.00",
        "no speech can be had",
        "whisper:base sha256:ed3a0b6b",
        "2.13.0",
        "no interval: too few conversations",
        "1 recording inside this file",
    ):
        assert told in text, told


def test_what_was_heard_otherwise_than_written_is_marked(tmp_path: Path) -> None:
    html = render_report(small_log(tmp_path))
    assert "Two and two is <ins>for.</ins>" in html
    assert "Two and two is <del>four.</del>" in html


def test_one_or_two_suites_are_shown_without_a_radar_and_without_matplotlib(tmp_path: Path) -> None:
    assert '<figure class="radar">' not in render_report(small_log(tmp_path))
    assert '<figure class="radar">' in render_report(nine_suites(tmp_path, n_samples=1))


def test_published_figures_carry_their_mark(tmp_path: Path) -> None:
    text = Page(render_report(nine_suites(tmp_path, n_samples=1))).text
    for model in ("Step-Audio-AQAA", "Kimi-Audio", "Qwen-Omni"):
        assert f"{model} (published, other raters)" in text
    assert "Published, other raters. Source: " in text


def test_beyond_the_limit_recordings_are_linked_and_the_policy_lets_them(tmp_path: Path) -> None:
    page = Page(render_report(small_log(tmp_path), max_embedded_bytes=10))
    assert page.values("src") == ["audio/a.flac", "audio/a.flac"]
    assert "media-src data: 'self' file:;" in page.policy
    assert (
        "0 recordings inside this file (limit 1e-05 MB); 1 more are read from the folder audio/ beside it" in page.text
    )


def test_a_lost_recording_costs_its_player_and_nothing_else(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    (tmp_path / "audio" / "a.flac").unlink()
    page = Page(render_report(log))
    assert page.values("src") == []
    assert "a.flac: cannot be read (No such file or directory)" in page.text
    assert "Two and two is" in page.text


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
    with pytest.raises(UsageError, match=r"nowhere/report\.html cannot be written"):
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
