"""The only tables of names: what can be said after `--model`, `--suite`, `--asr`, `--judge`, and what stands behind it.

Entries are lazy "module:object" strings, so naming a thing loads it and nothing else. Third parties add names through
the entry-point groups `aqaa_eval.models`, `.suites`, `.judges`, `.transcribers`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.weights import is_present, locate

if (
    TYPE_CHECKING
):  # a model in its own environment may be made through here, and has no need of what specs are parsed with
    from aqaa_eval.core.audio import Audio
    from aqaa_eval.core.failure import Failure
    from aqaa_eval.core.protocols import Judge, SpeechModel, Suite, Transcriber
    from aqaa_eval.core.runspec import OptionValue, RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name.

    Attributes:
        target: "module:object" that makes it.
        about: one line for `aqaa-eval list`.
        usage: how it is written on the command line.
        needs: weights by catalogue name, and importable packages, that must be on the machine.
        hub: repository whose files are needed unless a path is given; downloaded at the first use.
        limit: of a model, the setting that ends an answer which takes too long.
        is_stored: of a model, whether it gives answers that were stored for other questions.
    """

    target: str
    about: str
    usage: str
    weights: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    hub: str = ""
    limit: str = ""
    is_stored: bool = False


MODELS: Mapping[str, Entry] = {
    "reference": Entry(
        target="aqaa_eval.adapters.reference:build",
        about="Step-Audio-AQAA, the bundled implementation",
        usage="reference:tiny-random, reference:/path/to/checkpoint",
    ),
    "cascade": Entry(
        target="aqaa_eval.adapters.cascade:build",
        about="an ASR, a language model and a TTS, one after the other; Whisper base, SmolLM2 and hibari, offline",
        usage="cascade, cascade:faster-whisper:base+openai:MODEL+kokoro",
        weights=("whisper:base", "smollm2:135m-instruct"),
        packages=("whisper", "hibari"),
    ),
    "kimi-audio": Entry(
        target="aqaa_eval.adapters.kimi_audio:build",
        about="Kimi-Audio 7B through its own package; weights from the hub, one GPU of 40 GB",
        usage="kimi-audio --python /path/to/its/bin/python, kimi-audio:/path/to/checkpoint",
        packages=("kimia_infer",),
        hub="moonshotai/Kimi-Audio-7B-Instruct",
    ),
    "qwen2.5-omni": Entry(
        target="aqaa_eval.adapters.qwen_omni:build_qwen25",
        about="Qwen2.5-Omni 7B through transformers; 22 GB of weights from the hub, one GPU of 40 GB",
        usage="qwen2.5-omni, qwen2.5-omni:/path/to/checkpoint",
        packages=("transformers",),
        hub="Qwen/Qwen2.5-Omni-7B",
    ),
    "qwen3-omni": Entry(
        target="aqaa_eval.adapters.qwen_omni:build_qwen3",
        about="Qwen3-Omni 30B-A3B through transformers; 70 GB of weights from the hub, two GPUs of 80 GB",
        usage="qwen3-omni, qwen3-omni:/path/to/checkpoint",
        packages=("transformers",),
        hub="Qwen/Qwen3-Omni-30B-A3B-Instruct",
    ),
    "command": Entry(
        target="aqaa_eval.adapters.command:build",
        about="any program: WAV in, WAV out, started per turn or once",
        usage="command:./answer.sh",
        limit="timeout_s",
    ),
    "python": Entry(
        target="aqaa_eval.adapters.python_class:build",
        about="a class of your own",
        usage="python:my_models:Model, python:/path/file.py:Model",
    ),
    "replay": Entry(
        target="aqaa_eval.catalog:build_replay",
        about="answers recorded elsewhere",
        usage="replay:/path/to/run-or-folder",
        is_stored=True,
    ),
    "openai": Entry(
        target="aqaa_eval.adapters.openai_chat:build",
        about="chat completions with sound: OpenAI (key in OPENAI_API_KEY), vllm-omni, sglang-omni, aqaa-eval serve",
        usage="openai:gpt-audio, openai:MODEL --base-url http://localhost:8000/v1",
        packages=("openai",),
        limit="timeout_s",
    ),
    "openai-realtime": Entry(
        target="aqaa_eval.adapters.openai_realtime:build",
        about="the Realtime API over WebSocket: OpenAI (key in OPENAI_API_KEY), vllm-omni",
        usage="openai-realtime:gpt-realtime, openai-realtime:MODEL --base-url http://localhost:8000/v1",
        packages=("websockets",),
        limit="timeout_s",
    ),
    "fake": Entry(
        target="aqaa_eval.adapters.fake:build",
        about="oracle, random, echo, silent, failing, slow, scripted: for tests, for scale, for what a score is worth",
        usage="fake:echo",
    ),
}

TRANSCRIBERS: Mapping[str, Entry] = {
    "whisper": Entry(
        target="aqaa_eval.judges.transcribers.whisper:build",
        about="openai-whisper behind a voice-activity gate",
        usage="whisper:base, whisper:/path/to/large-v3.pt",
        weights=("whisper:base",),
        packages=("whisper",),
    ),
    "faster-whisper": Entry(
        target="aqaa_eval.judges.transcribers.faster_whisper:build",
        about="CTranslate2's Whisper in 8 bit, batched, behind the same gate",
        usage="faster-whisper:tiny.en, faster-whisper:base, faster-whisper:/path/to/folder",
        weights=("faster-whisper:tiny.en",),
        packages=("faster_whisper",),
    ),
    "hf-whisper": Entry(
        target="aqaa_eval.judges.transcribers.hf_whisper:build",
        about="Whisper by transformers, batched, behind the same gate",
        usage="hf-whisper:base, hf-whisper:openai/whisper-large-v3, hf-whisper:/path/to/folder",
        weights=("hf-whisper:base",),
        packages=("transformers",),
    ),
    "http": Entry(
        target="aqaa_eval.judges.transcribers.http:build",
        about="any server with /v1/audio/transcriptions, behind the same gate",
        usage="http:whisper-1 --asr-url http://localhost:8000/v1",
        packages=("openai",),
    ),
    "none": Entry(target="", about="answers stay untranscribed, and unscored on the audio channel", usage="none"),
}

JUDGES: Mapping[str, Entry] = {
    "checks": Entry(
        target="aqaa_eval.judges.checks:ChecksJudge",
        about="the items' own verifiable checks, MOS = 1 + 4 x share passed",
        usage="checks",
    ),
    "openai": Entry(
        target="aqaa_eval.judges.llm_build:build",
        about="a language model behind any OpenAI-compatible server; content, delivery, Factuality, Relevance, Chat",
        usage="openai:MODEL --judge-url http://localhost:8000/v1 (key in OPENAI_API_KEY), several by comma: a panel",
        packages=("openai",),
    ),
    "openai-audio": Entry(
        target="aqaa_eval.judges.llm_build:build",
        about="the same with the answers' sound sent along, to a model that takes `input_audio`",
        usage="openai-audio:gpt-audio --judge-url http://localhost:8000/v1 (key in OPENAI_API_KEY)",
        packages=("openai",),
    ),
    "hf": Entry(
        target="aqaa_eval.judges.llm_build:build",
        about="a language model on this machine, the same scores; a small one judges badly",
        usage="hf:/path/to/folder, hf:model.gguf, hf:smollm2:135m-instruct",
        packages=("transformers",),
    ),
}

LANGUAGE_MODELS = ("openai", "openai-audio", "hf")

PREDICTORS: Mapping[str, Entry] = {
    "distillmos": Entry(
        target="aqaa_eval.judges.quality:DistillMos",
        about="naturalness of the speech, 1 to 5",
        usage="--speech-mos distillmos",
        packages=("distillmos",),
    ),
    "dnsmos": Entry(
        target="aqaa_eval.judges.quality:DnsMos",
        about="noise in the sound, 1 to 5",
        usage="--speech-mos dnsmos",
        weights=("dnsmos",),
    ),
    "plcmos": Entry(
        target="aqaa_eval.judges.plcmos:PlcMos",
        about="freedom from dropouts, 1 to 5",
        usage="--speech-mos plcmos",
        weights=("plcmos",),
    ),
    "acoustic": Entry(
        target="aqaa_eval.judges.acoustic:AcousticJudge",
        about="rate, pitch, level, pauses, voice; the speaker's sameness if `aqaa-eval fetch resemblyzer` was done",
        usage="--speech-mos acoustic",
        packages=("swift_f0",),
    ),
    "versa": Entry(
        target="aqaa_eval.judges.versa:VersaJudge",
        about="scores that VERSA gave the recordings elsewhere",
        usage="--speech-mos versa:/path/to/result.jsonl",
    ),
}

DEFAULT_PREDICTORS = ("distillmos", "dnsmos", "acoustic")

SUITE_SETS: Mapping[str, str] = {"mini": "the nine bundled suites"}

SUITE_FORMATS: Mapping[str, Entry] = {
    "stepeval-audio-360": Entry(
        target="aqaa_eval.tasks.stepeval_audio_360:load",
        about="StepEval-Audio-360, 137 conversations in the nine suites",
        usage="stepeval-audio-360, stepeval-audio-360:/folder",
        packages=("datasets",),
    ),
    "voicebench": Entry(
        target="aqaa_eval.tasks.voicebench:load",
        about="VoiceBench, by subset",
        usage="voicebench:alpacaeval, voicebench:sd-qa:usa",
        packages=("datasets",),
    ),
    "hf": Entry(
        target="aqaa_eval.tasks.outside.hub:load",
        about="any data set with recordings, on the Hugging Face hub or on disk",
        usage="hf:ORG/NAME, hf:ORG/NAME:CONFIG:SPLIT, hf:/folder",
        packages=("datasets",),
    ),
    "file": Entry(
        target="aqaa_eval.tasks.outside.files:load",
        about="a table of recordings, or of written questions with answers",
        usage="questions.jsonl, .csv, .tsv, .parquet",
    ),
}


def load_object(target: str) -> Any:
    """The object behind "module:object"."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _find(kind: str, group: str, table: Mapping[str, Entry], head: str) -> Any:
    return load_object(_target_of(kind, group, table, head))


def _target_of(kind: str, group: str, table: Mapping[str, Entry], head: str) -> str:
    if head in table:
        return table[head].target
    from importlib.metadata import entry_points  # scanning every package takes a while: only for names not ours

    outside = {point.name: point.value for point in entry_points(group=group)}
    if head in outside:
        return outside[head]
    raise UnknownName(kind, head, [*table, *outside])


def make_model(spec: RunSpec, *, log: Path | None = None) -> SpeechModel:
    """The model under test of a spec.

    Args:
        spec: names the model, its settings, and the interpreter that it runs in if not this one.
        log: file for what a model in another interpreter prints.

    Raises:
        UnknownName: no such model; the message suggests one.
        MissingWeights, UsageError: it cannot be had on this machine; the message says what to do.
    """
    head, _, argument = spec.model.partition(":")
    target = _target_of("model", "aqaa_eval.models", MODELS, head)
    if spec.python is not None:
        from aqaa_eval.adapters.isolated import isolate

        return isolate(target, argument, spec.model_options, python=spec.python, log=log)
    if spec.model in ("fake:oracle", "fake:random"):
        from aqaa_eval.staging import build_performing

        return build_performing(argument, spec.model_options, suites=suites_of(spec), seed=spec.seed)
    model: SpeechModel = load_object(target)(argument, spec.model_options)
    return model


def build_replay(argument: str, options: Mapping[str, OptionValue]) -> SpeechModel:
    """Stored answers: only here the adapter and the engine that reads runs can meet."""
    from aqaa_eval.adapters.replay import build

    return build(argument, options, lookup=_run_lookup(Path(argument)))


def _run_lookup(path: Path) -> Any:
    """Answers of a stored run by turn key; None if the path is a plain folder of recordings."""
    if not (path / "run.sqlite").is_file():
        return None
    from aqaa_eval.engine.replay import run_answers

    return run_answers(path)


SECOND_PREFIX = "second_"


def make_transcriber(
    name: str, options: Mapping[str, OptionValue] | None = None, *, second: str = "none"
) -> Transcriber | None:
    """The transcriber of that name; None for "none".

    Args:
        name: what stands after `--asr`.
        options: its settings; those that begin with "second_" are the second ear's.
        second: name of a second ear that marks doubtful words; "none" for one ear.

    Raises:
        UnknownName, MissingWeights, UsageError: it cannot be had; the message says what to do.
    """
    if name == "none":
        if second != "none":
            raise UsageError(f"--second-asr {second} has nothing to compare with: --asr is none")
        return None
    given = options or {}
    own = {key: value for key, value in given.items() if not key.startswith(SECOND_PREFIX)}
    theirs = {key.removeprefix(SECOND_PREFIX): value for key, value in given.items() if key.startswith(SECOND_PREFIX)}
    first = _one_ear(name, own)
    if second == "none":
        return first
    from aqaa_eval.judges.transcribers.two_ears import TwoEars

    two: Transcriber = TwoEars(first, _one_ear(second, theirs))
    return two


def _one_ear(name: str, options: Mapping[str, OptionValue]) -> Transcriber:
    head, _, argument = name.partition(":")
    made: Transcriber = _find("transcriber", "aqaa_eval.transcribers", TRANSCRIBERS, head)(argument, options)
    return made


def default_asr() -> str:
    """The offline transcriber if its weights are here, else "none"."""
    return "whisper:base" if is_present("whisper:base") else "none"


def default_speech_mos() -> tuple[str, ...]:
    """The predictors and measurements of the default that can run on this machine."""
    return tuple(name for name in DEFAULT_PREDICTORS if not missing_of(PREDICTORS[name]))


def missing_of(entry: Entry) -> list[str]:
    """What an entry needs and this machine lacks, each with the command that brings it."""
    lacking = [f"aqaa-eval fetch {name}" for name in entry.weights if not is_present(name)]
    for package in entry.packages:
        if importlib.util.find_spec(package) is None:
            lacking.append(f"pip install {_PIP.get(package, package)}")
    if entry.hub and not _is_on_this_machine(entry.hub):
        lacking.append(f"hf download {entry.hub}, or a path")
    return lacking


def _is_on_this_machine(repository: str) -> bool:
    """Whether the hub's cache holds a copy."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, "config.json"), str)


_PIP = {
    "kimia_infer": "git+https://github.com/MoonshotAI/Kimi-Audio (in an environment of its own, see --python)",
    "whisper": "--no-deps openai-whisper",
    "hibari": "'aqaa-eval[offline]'",
    "distillmos": "--no-deps distillmos xls-r-sqa",
    "faster_whisper": "'aqaa-eval[faster-whisper]'",
}


def make_judge(spec: RunSpec, suites: Sequence[Suite], *, verdicts: Path | None = None) -> Judge:
    """The scoring chain of a spec: the named judges, fidelity, MOS predictors, and the card's fusion.

    The first named judge gives the content and delivery that are fused; the others stand beside it under names of
    their own. Language models are one panel, wherever they are named.

    Args:
        spec: what to judge by.
        suites: their cards hold the weights.
        verdicts: file that keeps what language models said; None keeps nothing.

    Raises:
        UnknownName, MissingWeights, UsageError: a part cannot be had; the message says what to do.
    """
    from aqaa_eval.judges.chain import ScoringChain
    from aqaa_eval.judges.fidelity import FidelityJudge

    judges = _named_judges(spec, verdicts)
    judges.append(FidelityJudge())
    judges += _sound_judges(spec.speech_mos)
    weights = {suite.card.id: suite.card.weights for suite in suites}
    chain: Judge = ScoringChain(judges, weights)
    return chain


def _named_judges(spec: RunSpec, verdicts: Path | None) -> list[Judge]:
    from aqaa_eval.judges.aside import Aside

    names = [name.strip() for name in spec.judge.split(",")]
    heads = [name.partition(":")[0] for name in names]
    models = [name for name, head in zip(names, heads, strict=True) if head in LANGUAGE_MODELS]
    if spec.judge_options and not models:
        raise UsageError(f"--judge {spec.judge} has no settings; settings are for {', '.join(LANGUAGE_MODELS)}:MODEL")
    judges: list[Judge] = []
    for name, head in zip(names, heads, strict=True):
        if head not in LANGUAGE_MODELS:
            made, prefix = _named_judge(name, spec), head
        elif name == models[0]:
            build = load_object(JUDGES[head].target)
            made, prefix = build(models, spec.judge_options, channel=spec.channel, verdicts=verdicts), "judge"
        else:
            continue  # a member of the panel that stands there already
        judges.append(made if not judges else Aside(made, prefix=prefix))
    return judges


def _named_judge(name: str, spec: RunSpec) -> Judge:
    head, _, argument = name.partition(":")
    build = _find("judge", "aqaa_eval.judges", JUDGES, head)
    if head == "checks":
        from aqaa_eval.tasks.checks import evaluate, identity

        checks: Judge = build(evaluate, channel=spec.channel, version=identity())
        return checks
    made: Judge = build(argument)
    return made


def check_predictors(names: Sequence[str]) -> None:
    """Refuse a name after `--speech-mos` that nothing stands behind, before anything is loaded.

    Raises:
        UsageError: the name is unknown, or its weights or packages are not here; the message says what to do.
    """
    for name in names:
        head = name.partition(":")[0]
        if head == "nisqa":
            raise UsageError(
                "--speech-mos nisqa: its weights cannot be verified here; let VERSA compute it and give versa:FILE"
            )
        if head not in PREDICTORS:
            raise UnknownName("MOS predictor", head, PREDICTORS)
        lacking = missing_of(PREDICTORS[head])
        if lacking:
            raise UsageError(f"--speech-mos {name} needs: {'; '.join(lacking)}. Or run with --speech-mos none")


def _sound_judges(names: Sequence[str]) -> list[Judge]:
    """The judges of how answers sound: all MOS predictors in one, and the others one each, in the order named."""
    check_predictors(names)
    made: list[Judge] = []
    predictors: list[Any] = []
    for name in names:
        head, _, argument = name.partition(":")
        build = load_object(PREDICTORS[head].target)
        if head == "versa":
            made.append(build(Path(argument)))
        elif head == "acoustic":
            made.append(build(speaker=_speaker()))
        else:
            predictors.append(build(locate(head)) if PREDICTORS[head].weights else build())
    if predictors:
        from aqaa_eval.judges.quality import QualityJudge

        made.insert(0, QualityJudge(predictors))
    return made


def _speaker() -> Any:
    """The speaker encoder if its weights are here; None else."""
    if not is_present("resemblyzer"):
        return None
    from aqaa_eval.judges.speaker import SpeakerEncoder

    return SpeakerEncoder(locate("resemblyzer"))


def make_suites(
    names: Sequence[str], options: Mapping[str, OptionValue] | None = None, *, strict: bool = False
) -> list[Suite]:
    """Suites by id, by the name of a set, by the path of a folder or file, or by format; each once, in the order named.

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
    from aqaa_eval.tasks.suite import BUNDLED, bundled_suite, load_suite

    head, _, argument = name.partition(":")
    if name in SUITE_SETS:
        return [bundled_suite(part) for part in BUNDLED]
    if name in BUNDLED:
        return [bundled_suite(name)]
    if head in SUITE_FORMATS and head != "file":
        load = load_object(SUITE_FORMATS[head].target)
    elif Path(name).is_dir():
        return [load_suite(Path(name), strict=strict)]
    elif Path(name).is_file() or "/" in name or Path(name).suffix:
        load, argument = load_object(SUITE_FORMATS["file"].target), name
    else:
        names = dict.fromkeys([*BUNDLED, *SUITE_SETS, *SUITE_FORMATS], SUITE_FORMATS["file"])
        load = load_object(_target_of("suite", "aqaa_eval.suites", names, head))
    found: list[Suite] = load(argument, options, strict=strict)
    return found


def suites_of(spec: RunSpec, *, strict: bool = False) -> list[Suite]:
    """The suites of a spec as the model hears them: with their sound changed, if the spec says so.

    Raises:
        UnknownName, UsageError, DataError: as `make_suites`; or no such change of sound.
    """
    suites = make_suites(spec.suites, spec.suite_options, strict=strict)
    if not spec.perturb:
        return suites
    from aqaa_eval.tasks.perturb import PerturbedSuite, parse_perturbations

    changes = parse_perturbations(spec.perturb)
    return [PerturbedSuite(suite=suite, changes=changes, seed_of=spec.seed_of) for suite in suites]


def find_guard() -> Any:
    """The function that finds an answer without sound."""

    def guard(audio: Audio) -> Failure | None:
        from aqaa_eval.judges.guards import answer_failure

        failure: Failure | None = answer_failure(audio)
        return failure if failure is not None and failure.is_no_answer else None

    return guard
