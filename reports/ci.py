"""A gate's decision for machines and for people in CI: JSON, JUnit XML, a step summary in Markdown, a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from aqaa_eval.core.gating import FloorGate, GateResult, GateVerdict, SuiteGate
from aqaa_eval.reports.compare_table import interval, signed
from aqaa_eval.reports.labels import NOTHING

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {
    GateVerdict.PASSED: "✅",
    GateVerdict.REGRESSION: "❌",
    GateVerdict.INCONCLUSIVE: "❔",
    GateVerdict.INCOMPLETE: "⚠️",
}
_HEADS = ("suite", "n", "baseline", "candidate", "difference", "95 % interval", "margin", "p (Holm)", "verdict")


def gate_json(result: GateResult) -> dict[str, Any]:
    """The decision as plain values; a missing one is null."""
    return {
        "verdict": result.verdict.value,
        "exit_code": int(result.verdict.exit_code),
        "candidate": result.candidate,
        "baseline": result.baseline,
        "metric": result.metric,
        "suites": [asdict(suite) for suite in result.suites],
        "floors": [asdict(floor) for floor in result.floors],
        "missing": list(result.missing),
        "extra": list(result.extra),
        "allowed": [str(difference) for difference in result.allowed],
    }


def junit_xml(result: GateResult) -> str:
    """One test case per suite and floor; undecided and incomplete ones are errors, regressions failures.

    Control characters, which XML cannot hold, are left out of names.
    """
    cases = [*map(_suite_case, result.suites), *map(_floor_case, result.floors)]
    kinds = [case.find("failure") is not None for case in cases]
    errors = [case.find("error") is not None for case in cases]
    root = ElementTree.Element(
        "testsuite", name="aqaa-eval gate", tests=str(len(cases)), failures=str(sum(kinds)), errors=str(sum(errors))
    )
    root.extend(cases)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def step_summary(result: GateResult) -> str:
    """The decision in GitHub's Markdown."""
    lines = [
        f"## {_MARKS[result.verdict]} aqaa-eval gate: {result.verdict.value}",
        "",
        f"{_cell(result.candidate)} against {_cell(result.baseline)}, {result.metric}, paired by conversation.",
        "",
        "| " + " | ".join(_HEADS) + " |",
        "|---|" + "---:|" * (len(_HEADS) - 2) + "---|",
    ]
    for suite in result.suites:
        cells = [*_cells(suite)[:-1], f"{_MARKS[suite.verdict]} {suite.verdict.value}: {suite.reason}"]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    for floor in result.floors:
        lines.append(f"\n{_MARKS[floor.verdict]} {_cell(floor.demand)}: {_cell(floor.measured)}")
    for title, keys in (("No score in the candidate", result.missing), ("Only in the candidate", result.extra)):
        if keys:
            lines.append(f"\n<details><summary>{title}: {len(keys)}</summary>\n\n{', '.join(map(_cell, keys))}\n")
            lines.append("</details>")
    lines += [f"\nAllowed to differ: {_cell(str(difference))}" for difference in result.allowed]
    return "\n".join(lines) + "\n"


def print_gate(result: GateResult, console: Console) -> None:
    """One row per suite, then the floors, what is missing, and the decision."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in _HEADS:
        table.add_column(head, justify="left" if head in ("suite", "verdict") else "right", no_wrap=True)
    for suite in result.suites:
        table.add_row(*map(Text, _cells(suite)))
    console.print(table)
    told = [f"{suite.suite}: {suite.reason}" for suite in result.suites if suite.verdict is not GateVerdict.PASSED]
    told += [f"{floor.demand}: {floor.measured}, {floor.verdict.value}" for floor in result.floors]
    told += [f"allowed to differ: {difference}" for difference in result.allowed]
    if result.missing:
        told.append(f"no score in the candidate: {_some(result.missing)}")
    if result.extra:
        told.append(f"only in the candidate: {_some(result.extra)}")
    for line in [*told, f"{result.candidate} against {result.baseline}: {result.verdict.value}"]:
        console.print(Text(line), soft_wrap=True)


def _cells(suite: SuiteGate) -> list[str]:
    return [
        suite.suite,
        str(suite.difference.n),
        _value(suite.baseline),
        _value(suite.candidate),
        signed(suite.difference.value),
        interval(suite.difference),
        f"{suite.margin:.2f}",
        f"{suite.p_worse:.3f}",
        suite.verdict.value,
    ]


def _value(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _some(keys: tuple[str, ...]) -> str:
    more = f" and {len(keys) - 10} more" if len(keys) > 10 else ""
    return ", ".join(keys[:10]) + more


def _suite_case(suite: SuiteGate) -> ElementTree.Element:
    measured = f"{signed(suite.difference.value)} ({interval(suite.difference)}), n {suite.difference.n}"
    return _case(suite.suite, suite.verdict, f"{suite.reason}; difference {measured}")


def _floor_case(floor: FloorGate) -> ElementTree.Element:
    return _case(floor.demand, floor.verdict, f"{floor.demand}: {floor.measured}")


def _case(name: str, verdict: GateVerdict, message: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname="aqaa_eval.gate", name=_printable(name))
    if verdict is not GateVerdict.PASSED:
        tag = "failure" if verdict is GateVerdict.REGRESSION else "error"
        ElementTree.SubElement(case, tag, type=verdict.value, message=_printable(message))
    return case


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _cell(text: str) -> str:
    """Text that stays text in a Markdown table."""
    shown = _printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + character if character in "|\\`*[]" else character for character in shown)
