"""What a model, a recogniser or a task author might put into a text to make a page do something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aqaa_eval.core.attempt import Evidence, Score, Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.core.visible import CONTROLS
from tests.reports.builders import answered, attempt, card, question, run_log, store, syllables, transcript

PAYLOADS = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "</style><script>window.hit=1</script>",
    "</title></head><body onload=window.hit=1>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "' onmouseover='window.hit=1' autofocus onfocus='window.hit=1",
    '" autofocus onfocus="window.hit=1" x="',
    "<a href=javascript:window.hit=1>here</a>",
    "javascript:window.hit=1",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<link rel=stylesheet href=https://example.org/x.css>",
    "<details open ontoggle=window.hit=1>",
    "<math><mtext><style><img src=x onerror=window.hit=1></style></mtext></math>",
    "<!-- --><!--><img src=x onerror=window.hit=1>-->",
    "]]><svg><script>window.hit=1</script></svg>",
    "{{ ''.__class__.__mro__ }}",
    "{% raw %}{{ 7 * 7 }}{% endraw %}{% for x in y %}",
    "{# a comment #}${7*7}<%= 7*7 %>#{7*7}",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "<base href=https://example.org/><form action=https://example.org/><button>",
    "<video><source onerror=window.hit=1></video><object data=x onerror=window.hit=1>",
    "\u202e<script>window.hit=1</script>\u202c",
    "<xss style='background:url(https://example.org/x)'>",
    "<!--<script>",  # a comment that would swallow the end tag of a data block
    "<!--<script></script>--><img src=x onerror=window.hit=1>",
    "</script ><svg/onload=window.hit=1>",
    "</SCRIPT/x><img src=x onerror=window.hit=1>",
    "\\u003c/script\\u003e\\u003cscript\\u003ewindow.hit=1",
    "\u2028window.hit=1\u2029//",
    '"},"__proto__":{"hit":1},"constructor":{"prototype":{"hit":1}},"x":{"',
    "__proto__",
    "{0}|{1}{9}$&$1$`",
    "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s></svg>",
    "<svg><use href=data:image/svg+xml,<svg/onload=window.hit=1>></svg>",
    "<template><script>window.hit=1</script></template><slot onslotchange=window.hit=1>",
    "<a href=data:text/html,<script>window.hit=1</script> target=_blank>here</a>",
    '<input data-t=page.title data-l=\'["onclick","of"]\' autofocus onfocus=window.hit=1>',
    "${window.hit=1}`+window.hit+`",
    "{{constructor.constructor('window.hit=1')()}}<div ng-app v-html=window.hit>",
)


def hostile_log(folder: Path, payload: str) -> RunLog:
    """A run that holds the payload wherever a text of others can stand."""
    sound = store(folder, "a.flac", syllables(duration_s=0.6))
    asked = question(payload, audio=sound, reference=payload, rubric=payload, voice=payload, language=payload)
    turn = answered(asked=asked, audio=sound, text=payload, heard=payload)
    heard = replace(transcript(payload, failure=Failure.LOOPED, note=payload), language=payload)
    evidence = (Evidence(turn=0, name=payload, passed=False, measured=payload, part=payload),)
    scores = [
        Score(metric="mos", value=2.0, reason=payload, judge=payload, evidence=evidence),
        Score(metric="speech", value=None, status=Status.FAILED, reason=payload, judge=payload, turn=0),
        Score(metric=payload, value=1.0, reason=payload, judge=payload, turn=0),
    ]
    title = CONTROLS.sub("", payload)  # a card refuses control characters
    turns = [replace(turn, transcript=heard, detail=payload, failure=Failure.CLIPPED)]
    log = run_log(folder, [attempt("gaming", payload, scores, turns=turns)], cards=[card("gaming", title)])
    manifest = replace(
        log.manifest,
        model=payload,
        asr=payload,
        judge=payload,
        normaliser=payload,
        suites={payload: payload},
        versions={payload: payload},
    )
    return replace(log, manifest=manifest)
