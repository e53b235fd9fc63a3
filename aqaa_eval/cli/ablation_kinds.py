"""From the name after `ablate` to a design, and from the design to what its arms gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqaa_eval import catalog
from aqaa_eval.ablations.custom import custom_design
from aqaa_eval.ablations.design import Design
from aqaa_eval.ablations.findings import Measured, join
from aqaa_eval.ablations.interleave import interleave_design
from aqaa_eval.ablations.probing import Probe, probe_arms
from aqaa_eval.ablations.queue import Bundle, drive, grouped
from aqaa_eval.ablations.running import place_arms, read_arms
from aqaa_eval.cli.config import make_spec, read_config
from aqaa_eval.cli.console import RunProgress
from aqaa_eval.cli.run import with_machine_defaults
from aqaa_eval.cli.workshop import CatalogWorkshop, Parts
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.protocols import Judge, Suite
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.executors.local import LocalExecutor
from aqaa_eval.reports.published import CAPABILITIES

if TYPE_CHECKING:
    from aqaa_eval.ablations.held_out import HeldOut

DEFAULT_LIMIT = 2
"""Conversations per suite: 18 in all of the nine bundled ones, so that it ends in minutes on two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command line.

    Attributes:
        what: name of an ablation, or a YAML file.
        flags: run-spec fields; None where nothing was given.
        config: YAML with run-spec fields.
        layouts: of interleave; empty for the model's own.
        weights: folder with the models of the training stages.
        n_items: held-out items, where weights are measured directly; rounded up to as many per capability.
        grid: parts that the shares of a merge are cut into.
        out: folder for everything.
        quiet: no progress.
    """

    what: str
    flags: Mapping[str, Any]
    config: Path | None
    layouts: tuple[str, ...]
    weights: Path | None
    n_items: int
    grid: int
    out: Path
    quiet: bool

    @property
    def given(self) -> dict[str, Any]:
        """Run-spec fields of the command line and its config."""
        told = {name: value for name, value in self.flags.items() if value is not None}
        return {**(read_config(self.config) if self.config else {}), **told}

    def base(self, **defaults: Any) -> RunSpec:
        """The run that the arms share.

        Raises:
            UsageError: a field is unknown or wrong, or no model is named.
        """
        values = {"limit": DEFAULT_LIMIT, **defaults, **self.given}
        return with_machine_defaults(make_spec(values, None), given=set(values))


def measure(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    """Design the ablation and measure its arms, or what is missing of them.

    Raises:
        UsageError: no such ablation, or it cannot be run here; the message says why.
    """
    if asked.what in KINDS:
        return KINDS[asked.what](asked)
    if Path(asked.what).suffix in (".yaml", ".yml"):
        return _custom(asked)
    raise UnknownName("ablation", asked.what, [*KINDS, "FILE.yaml"])


def _interleave(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    base = asked.base()
    head = base.model.partition(":")[0]
    entry = catalog.MODELS.get(head)
    if entry is None or not entry.layout_settings:
        able = ", ".join(name for name, each in catalog.MODELS.items() if each.layout_settings)
        raise UsageError(f"{head} cannot switch its output layout, so it has one arm only; models that can: {able}")
    settings_of = catalog.load_object(entry.layout_settings)
    design = interleave_design(base, asked.layouts or entry.layouts, settings_of)
    return design, run_arms(design, asked), base


def _custom(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    file = Path(asked.what)
    design = custom_design(read_config(file), asked.given, name=str(file), complete=_complete)
    return design, run_arms(design, asked), design.runs[0][1]


def _complete(spec: RunSpec) -> RunSpec:
    return with_machine_defaults(spec, given=set())


def run_arms(
    design: Design,
    asked: Asked,
    *,
    suites: list[Suite] | None = None,
    parts: Callable[[str, Judge], Parts] | None = None,
) -> Measured:
    """Put the conversations to all arms of a design.

    Args:
        design: its arms have run specs.
        asked: the command line.
        suites: in the place of those that the specs name.
        parts: model and judge of an arm, from its name and the judge of its spec.
    """
    workshop = CatalogWorkshop(asked.out / "verdicts.sqlite", quiet=asked.quiet)
    try:
        places = place_arms(design.runs, asked.out)
        requests = {place.arm: workshop.request(place, suites, parts) for place in places}
        groups = grouped(requests, {place.arm: place.owner for place in places})
        with RunProgress(quiet=asked.quiet) as progress:
            executor: LocalExecutor[Bundle] = LocalExecutor()
            drive(groups, executor=executor, progress=progress)
    finally:
        workshop.close()
    return read_arms(places, design.measures, asked.out)


def _merge(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    from aqaa_eval.ablations.merge import BEFORE, PLAIN, STAGES, merge_design, merged_folders
    from aqaa_eval.ablations.weights import DEFAULT, find_stages

    folders, missing = find_stages(asked.weights or DEFAULT, (*STAGES, BEFORE, PLAIN))
    if lacking := [missing[name] for name in STAGES if name in missing]:
        raise UsageError("; ".join(lacking) + ": a merge needs all three stages")
    folders |= merged_folders(folders, asked.out / "weights", steps=asked.grid)
    base = asked.base(model="reference")
    design = merge_design(_runs_of(folders, base))
    return design, run_arms(design, asked), base


def _preference(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    from aqaa_eval.ablations.preference import REFERENCE, STAGES, PreferenceProbe, ReferencePolicy, preference_design
    from aqaa_eval.ablations.weights import DEFAULT, find_stages, load_stages

    folders, missing = find_stages(asked.weights or DEFAULT, STAGES)
    if REFERENCE in missing:
        raise UsageError(f"{missing[REFERENCE]}: it is the reference policy that the others are held against")
    base = asked.base(model="reference")
    design = preference_design(_runs_of(folders, base), missing)
    models = load_stages(folders)
    held_out = _held_out(asked, base, models[REFERENCE].tokenizer)
    reference = ReferencePolicy(models[REFERENCE], held_out)
    probes = {name: PreferenceProbe(model, reference, held_out) for name, model in models.items()}
    probed = _probed(probes, held_out, asked)
    return design, join(run_arms(design, asked), probed), base


def _codebooks(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    from aqaa_eval.ablations.codebooks import CodebookProbe, Listening, codebooks_design
    from aqaa_eval.ablations.weights import find_stages, load_stages
    from aqaa_eval.reference_model.training.streams import Streams

    folders, missing = find_stages(asked.weights or CODEBOOKS, [streams.value for streams in Streams])
    if Streams.DUAL in missing:
        raise UsageError(f"{missing[Streams.DUAL]}: it is what one codebook alone is held against")
    base = asked.base(model="reference")
    models = load_stages(folders)
    held_out = _held_out(asked, base, models[Streams.DUAL].tokenizer)
    encoder = catalog.speaker_encoder()
    listening = Listening(
        transcriber=catalog.make_transcriber(base.asr, base.asr_options),
        voice_of=encoder.embed if encoder else None,
        voice_identity=encoder.identity if encoder else "",
    )
    probes = {name: CodebookProbe(model, Streams(name), held_out, listening) for name, model in models.items()}
    return codebooks_design(missing), _probed(probes, held_out, asked), base


def _splicing(asked: Asked) -> tuple[Design, Measured, RunSpec]:
    from aqaa_eval.ablations.splicing import SegmentBook, SplicedModel, SplicingSuite, StatesJudge, splicing_design
    from aqaa_eval.adapters.reference import DEFAULT_WEIGHTS
    from aqaa_eval.reference_model import load
    from aqaa_eval.reference_model.splicing import Splice

    base = asked.base(model="reference", limit=None)
    head, _, argument = base.model.partition(":")
    if head != "reference":
        raise UsageError(
            f"--model {base.model}: joining needs the parts of the reference model: --model reference:PATH"
        )
    name = argument or DEFAULT_WEIGHTS
    try:
        book = SegmentBook(load(name))
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise UsageError(f"--model {base.model}: {error}") from error
    design = splicing_design(base)

    def parts(arm: str, judge: Judge) -> Parts:
        return Parts(model=SplicedModel(book, Splice(arm), name), judge=StatesJudge(judge, book))

    return design, run_arms(design, asked, suites=[SplicingSuite()], parts=parts), base


def _runs_of(folders: Mapping[str, Path], base: RunSpec) -> dict[str, RunSpec]:
    """The shared run, of the weights in each folder."""
    return {name: base.model_copy(update={"model": f"reference:{folder}"}) for name, folder in folders.items()}


def _held_out(asked: Asked, base: RunSpec, tokenizer: Any) -> HeldOut:
    """Questions that training never hears, evenly over the capabilities."""
    from aqaa_eval.ablations.held_out import HeldOut
    from aqaa_eval.cli.training_items import choose, held_out_pairs
    from aqaa_eval.cli.training_studio import OfflineStudio

    per_suite = -(-asked.n_items // len(CAPABILITIES))
    pairs = choose(held_out_pairs(base.seed), per_suite=per_suite, seed=base.seed)
    return HeldOut(pairs, OfflineStudio(), tokenizer)


def _probed(probes: Mapping[str, Probe], held_out: HeldOut, asked: Asked) -> Measured:
    with RunProgress(quiet=asked.quiet, stages=("judge",)) as progress:
        return probe_arms(probes, held_out.keys, asked.out / "probes.sqlite", progress=progress)


CODEBOOKS = Path("runs/train-tiny/codebooks")
"""Models of one codebook each, and of both, of one size and budget."""

Kind = Callable[[Asked], tuple[Design, Measured, RunSpec]]
KINDS: Mapping[str, Kind] = {
    "interleave": _interleave,
    "codebooks": _codebooks,
    "preference": _preference,
    "splicing": _splicing,
    "merge": _merge,
}
