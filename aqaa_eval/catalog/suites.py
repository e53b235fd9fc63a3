"""From names to suites: bundled ones, folders, files, formats from elsewhere; clean or changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.catalog.names import SUITE_FORMATS, SUITE_SETS, load_object, target_of
from aqaa_eval.core.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.protocols import Suite
    from aqaa_eval.core.runspec import OptionValue, RunSpec


def make_suites(
    names: Sequence[str], options: Mapping[str, OptionValue] | None = None, *, strict: bool = False
) -> list[Suite]:
    """Suites by id, by the name of a set, by path or by format; each once, in the order named.

    A path is that of a suite's folder, of a folder with suites in it, or of a file.

    Args:
        names: as on the command line.
        options: settings of sources from outside (`--suite-set`).
        strict: refuse a suite for one conversation that cannot be asked.

    Raises:
        UnknownName: no such suite; the message suggests one.
        UsageError: two different suites of one id.
        DataError: a card is malformed, or nothing can be asked.
    """
    suites: dict[str, Suite] = {}
    for name in names:
        for suite in _suites_of(name, options or {}, strict=strict):
            known = suites.setdefault(suite.card.id, suite)
            if known.data_hash != suite.data_hash:
                raise UsageError(f"--suite {name}: another suite {suite.card.id} is named too; run the two apart")
    return list(suites.values())


def _suites_of(name: str, options: Mapping[str, OptionValue], *, strict: bool) -> list[Suite]:
    from aqaa_eval.tasks.suite import BUNDLED, bundled_suite, load_suite, suite_folders

    head, _, argument = name.partition(":")
    if name in SUITE_SETS:
        return [bundled_suite(part) for part in BUNDLED]
    if name in BUNDLED:
        return [bundled_suite(name)]
    if head in SUITE_FORMATS and head != "file":
        load = load_object(SUITE_FORMATS[head].target)
    elif Path(name).is_dir():
        return [load_suite(folder, strict=strict) for folder in suite_folders(Path(name))]
    elif Path(name).is_file() or "/" in name or Path(name).suffix:
        load, argument = load_object(SUITE_FORMATS["file"].target), name
    else:
        names = dict.fromkeys([*BUNDLED, *SUITE_SETS, *SUITE_FORMATS], SUITE_FORMATS["file"])
        load = load_object(target_of("suite", "aqaa_eval.suites", names, head))
    found: list[Suite] = load(argument, options, strict=strict)
    return found


def suites_of(spec: RunSpec, *, strict: bool = False) -> list[Suite]:
    """The suites of a spec as the model hears them: with their sound changed, if the spec says so.

    Raises:
        UnknownName, UsageError, DataError: as `make_suites`; or no such change of sound; or a setting of the
            transcriber is for a suite that is not among these.
    """
    suites = make_suites(spec.suites, spec.suite_options, strict=strict)
    _refuse_rules_for_nothing(spec, [suite.card.id for suite in suites])
    if not spec.perturb:
        return suites
    from aqaa_eval.tasks.perturb import PerturbedSuite, parse_perturbations

    changes = parse_perturbations(spec.perturb)
    return [PerturbedSuite(suite=suite, changes=changes, seed_of=spec.seed_of) for suite in suites]


def _refuse_rules_for_nothing(spec: RunSpec, suites: Sequence[str]) -> None:
    language = spec.asr_options.get("language")
    if not isinstance(language, str):
        return
    from aqaa_eval.judges.transcribers.language_choice import parse_language_rule

    for name in parse_language_rule(language).by_suite:
        if name not in suites:
            raise UnknownName("suite of this run (--asr-set language=)", name, suites)
