"""StepEval-Audio-360 (arXiv 2502.11946): 137 spoken conversations in nine categories, what the paper is measured on.

Its column names are not published, so the schema is looked at: recordings inside the table or named by it, turns as
lists in one row or as rows that share a conversation's id, categories in English or Chinese. What cannot be told can be
given by hand; what falls into no suite is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.core.weights import cache_folder
from aqaa_eval.tasks.categories import TITLES, suite_of_label
from aqaa_eval.tasks.outside.archive import unpacked
from aqaa_eval.tasks.outside.assemble import Draft
from aqaa_eval.tasks.outside.build import About, find_assembly, suite_of_drafts
from aqaa_eval.tasks.outside.columns import describe
from aqaa_eval.tasks.outside.hub import HubName, hub_table
from aqaa_eval.tasks.outside.options import SourceOptions, parse_source_options
from aqaa_eval.tasks.outside.recordings import Recordings
from aqaa_eval.tasks.outside.table import Table, read_parquet, read_table
from aqaa_eval.tasks.suite import BUNDLED, FolderSuite

HUB_ID = "stepfun-ai/StepEval-Audio-360"
SOURCE_ID = "stepeval_audio_360"
ARCHIVE = "audios.tar.gz"
LANGUAGE = "zh"
"""Of recordings of which nobody wrote down what is said: most of the set."""
_TABLES = ("*.parquet", "*.jsonl", "*.csv")
_ARCHIVES = ("*.tar.gz", "*.tgz", "*.tar")


def load(argument: str, options: Mapping[str, OptionValue], *, strict: bool = False) -> list[FolderSuite]:
    """`stepeval-audio-360` from the hub, or `stepeval-audio-360:/path`: a table, or a folder with one.

    Args:
        argument: path; "" for the hub.
        options: `revision`, `columns` (a mapping file) and columns by name; see `outside.options`.
        strict: refuse the set for one conversation that cannot be asked.

    Returns:
        The suites that have conversations, in the order of the published tables. What falls into none of them stands
        with the first, under the set's own name.

    Raises:
        DataError: it cannot be had, or its columns cannot be told; the message lists them.
    """
    settings = parse_source_options(options)
    if argument:
        table, roots = _local(Path(argument))
    else:
        table, roots = _from_hub(settings)
    assembly = find_assembly(table, settings, may_be_written=False)
    if "category" not in assembly.layout:
        raise DataError(f"{table.name}: no column tells the category; {describe(table.columns)}")
    if settings.root is not None:
        roots = [settings.root]
    assembly = replace(assembly, resolve=Recordings(*roots), language=settings.language or LANGUAGE)
    version = "local" if argument else settings.revision
    return _by_suite(list(assembly.drafts(table)), table.name, settings, version=version, strict=strict)


def _by_suite(
    drafts: Sequence[Draft], table: str, settings: SourceOptions, *, version: str, strict: bool
) -> list[FolderSuite]:
    by_suite: dict[str, list[Draft]] = {}
    for draft in drafts:
        by_suite.setdefault(suite_of_label(draft.category, settings.categories), []).append(draft)
    nowhere = by_suite.pop("", [])
    lost = tuple(_fallen(draft, table) for draft in nowhere)
    if not by_suite or (lost and strict):
        labels = sorted({draft.category for draft in nowhere})
        raise DataError(
            f"{table}: {len(nowhere)} of {len(drafts)} conversations fall into no suite; their categories are "
            f"{', '.join(map(repr, labels[:12]))}. Say what they are: --suite-set columns=FILE.yaml with categories: "
            f"{{LABEL: SUITE}}; suites are {', '.join(BUNDLED)}"
        )
    suites = []
    for suite in [name for name in BUNDLED if name in by_suite]:
        about = About(
            id=suite,
            title=TITLES[suite],
            measures=f"the category {TITLES[suite]} of StepEval-Audio-360",
            scoring="an LLM judge on content; the set has no checks",
            licence="Apache-2.0",
            source=f"https://huggingface.co/datasets/{HUB_ID}, arXiv 2502.11946",
            version=version,
        )
        suites.append(suite_of_drafts(by_suite[suite], about, table=table, root=None, strict=strict))
    return [replace(suites[0], not_run=(*suites[0].not_run, *lost)), *suites[1:]]


def _fallen(draft: Draft, table: str) -> NotRun:
    reason = f"its category {draft.category!r} is none of the nine suites; map it by hand"
    return NotRun(suite=SOURCE_ID, sample=draft.id, place=f"{table}:{draft.line}", reason=reason)


def _from_hub(settings: SourceOptions) -> tuple[Table, list[Path]]:
    """The table through `datasets`; the recordings that it names from the archive beside it."""
    repo = settings.repo or HUB_ID
    if Path(repo).exists():
        return _local(Path(repo))
    # By its files: the archive beside the table could be taken for another kind of data set.
    name = HubName(repo=repo, revision=settings.revision, split=settings.split, data_files="**/*.parquet")
    table = hub_table(name)
    if find_assembly(table, settings, may_be_written=False).names_files(table):
        return table, [unpacked(_hub_archive(repo, settings.revision), _cache())]
    return table, []


def _hub_archive(repo: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, ARCHIVE, repo_type="dataset", revision=revision))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{repo}@{revision}: {ARCHIVE} cannot be had ({' '.join(str(error).split())[:200]}); download it, and give "
            f"its folder: --suite stepeval-audio-360:/folder"
        ) from error


def _local(path: Path) -> tuple[Table, list[Path]]:
    """The one table of a folder, or the file itself, with the folders in which its recordings may lie."""
    if path.is_file():
        return read_table(path), _sound_folders(path.parent)
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder; give the parquet file, or the folder that it lies in")
    for pattern in _TABLES:
        found = sorted(file for file in path.rglob(pattern) if not file.name.startswith("."))
        if found and pattern == "*.parquet":
            return replace(read_parquet(found, name=path.name), root=path), _sound_folders(path)
        if found:
            return read_table(found[0]), _sound_folders(path)
    raise DataError(f"{path}: holds none of {', '.join(_TABLES)}; download the table of {HUB_ID} too")


def _sound_folders(folder: Path) -> list[Path]:
    """The folder, and what its archives hold."""
    archives = sorted(file for pattern in _ARCHIVES for file in folder.glob(pattern))
    return [folder, *(unpacked(archive, _cache()) for archive in archives)]


def _cache() -> Path:
    return cache_folder() / "suites" / SOURCE_ID
