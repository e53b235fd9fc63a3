from __future__ import annotations

import json
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.findings import Measured, find
from aqaa_eval.ablations.measures import CHAT, FIDELITY, RELEVANCE, RUN_MEASURES
from aqaa_eval.ablations.published import LAYOUTS
from aqaa_eval.core.attempt import Estimate
from aqaa_eval.reports.ablation import Claim, Findings, findings_json, verdict_sentence
from aqaa_eval.reports.ablation_page import render_findings
from aqaa_eval.reports.ablation_table import print_findings

NAMES = ("text_to_audio", "audio_only", "interleave_10_15")


def findings(*, n: int = 20, title: str = "Output layouts") -> Findings:
    """Text helps Chat, does nothing for Relevance, and one arm did not run."""
    claims = (
        Claim(
            says="Text first beats sound only in Chat",
            measure="chat",
            better="text_to_audio",
            worse="audio_only",
            published=2.29,
            source="the paper",
        ),
        Claim(says="Sound only is more relevant", measure="relevance", better="audio_only", worse="text_to_audio"),
        Claim(says="Interleaving beats text first", measure="chat", better="interleave_10_15", worse="text_to_audio"),
        Claim(says="Text first says what it writes", measure="fidelity", better="text_to_audio", worse="audio_only"),
    )
    design = Design(
        name="interleave",
        title=title,
        question="does text help?",
        arms=tuple(Arm(name=name, title=name) for name in NAMES[:2]),
        comparisons=with_claims(against_first(NAMES[:2]), claims),
        measures=RUN_MEASURES,
        claims=claims,
        published=LAYOUTS,
        missing={"interleave_10_15": "the model cannot do it"},
        has_radar=True,
    )
    keys = [f"gaming/g{i:02d}" for i in range(n)]
    mos = Estimate(value=3.0, low=2.0, high=4.0, n=3, n_clusters=3, unscored=0, failed=0)
    measured = Measured(
        values={
            CHAT.key: {
                "text_to_audio": {key: 4.0 - (i % 2) for i, key in enumerate(keys)},
                "audio_only": {key: 1.0 + (i % 3) * 0.5 for i, key in enumerate(keys)},
            },
            RELEVANCE.key: {
                "text_to_audio": {key: float(i % 2) for i, key in enumerate(keys)},
                "audio_only": {key: float(i % 3 == 0) for i, key in enumerate(keys)},
            },
            FIDELITY.key: {"text_to_audio": {key: 0.1 + 0.01 * (i % 5) for i, key in enumerate(keys)}},
        },
        places={"audio_only": "arms/audio_only"},
        suites={name: dict.fromkeys(("Gaming", "Singing", "Role-Play"), mos) for name in NAMES[:2]},
    )
    return find(design, measured)


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings()


def test_every_claim_gets_one_sentence_with_its_verdict_and_what_would_decide_it(found: Findings) -> None:
    chat, relevance, missing, unmeasured = (verdict_sentence(found, result) for result in found.claims)
    assert chat.startswith("Text first beats sound only in Chat: reproduced at n = 20 (+2.")
    assert ": undecided at n = 20" in relevance
    assert "more conversations decide it" in relevance
    assert missing.endswith("not measured (interleave_10_15 did not run: the model cannot do it)")
    assert unmeasured.endswith("not measured (no value of Word error rate in audio_only)")


def test_yes_or_no_is_tested_exactly_and_other_values_by_the_bootstrap(found: Findings) -> None:
    assert found.effects["relevance"][0].is_exact
    assert not found.effects["chat"][0].is_exact


def test_a_lower_error_rate_is_the_better_one() -> None:
    assert not FIDELITY.higher_is_better
    assert FIDELITY.change(-0.05) == "-5.0 points"


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_the_page_shows_paper_and_article_apart_and_what_was_measured(found: Findings) -> None:
    page = render_findings(found)
    text = Text()
    text.feed(page)
    words = " ".join(word for word in text.words if word)
    for told in ("arXiv 2506.08967", "Efficient Coder", "4.03", "1.71", "Did not run: interleave_10_15", "reproduced"):
        assert told in words
    assert page.count('class="bar-dot"') == 2
    assert "radar-band" in page
    assert "script-src &#39;sha256-" in page
    assert page == render_findings(found)


def test_what_comes_from_a_file_cannot_become_markup() -> None:
    page = render_findings(findings(title="<script>alert(1)</script>"))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_terminal_has_tables_plot_and_verdicts(found: Findings) -> None:
    console = Console(width=160, record=True, file=StringIO())
    print_findings(found, console)
    text = console.export_text()
    assert "published, not measured here" in text
    assert "----o" in text or "-o-" in text
    assert "- Text first beats sound only in Chat: reproduced" in text


def test_the_json_holds_every_number_and_the_sentences(found: Findings) -> None:
    told = json.loads(json.dumps(findings_json(found)))
    assert told["effects"]["chat"][0]["difference"]["n"] == 20
    assert told["verdicts"][0].startswith("Text first")
    assert told["published"][1]["arms"]["audio_only"]["chat"] == 1.71
