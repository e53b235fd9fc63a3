"""Data sets of the Hugging Face hub, or of its library's formats on disk, as tables; recordings stay encoded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.tasks.fault import Fault
from aqaa_eval.tasks.outside.build import About, find_assembly, suite_of
from aqaa_eval.tasks.outside.options import parse_source_options
from aqaa_eval.tasks.outside.table import Table, arrow_table, read_parquet, read_table
from aqaa_eval.tasks.suite import FolderSuite

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """What is asked of the hub.

    Attributes:
        repo: "ORG/NAME", or a folder on disk.
        config: name of a subset; "" for the only one.
        split: name of a split; "" for all.
        revision: commit, tag or branch.
        data_files: pattern of files, where the repository's own description is not trusted.
    """

    repo: str
    config: str = ""
    split: str = ""
    revision: str = "main"
    data_files: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.repo, self.config, self.split) if part) + f"@{self.revision}"


def load(argument: str, options: Mapping[str, OptionValue], *, strict: bool = False) -> list[FolderSuite]:
    """`hf:ORG/NAME`, `hf:ORG/NAME:CONFIG:SPLIT`, or `hf:/folder`: any data set with recordings.

    Raises:
        DataError: it cannot be had, or holds no recordings; the message lists what it holds.
    """
    settings = parse_source_options(options)
    repo, _, rest = argument.partition(":")
    config, _, split = rest.partition(":")
    name = HubName(
        repo=repo,
        config=config or settings.config,
        split=split or settings.split,
        revision=settings.revision,
    )
    table = hub_table(name)
    assembly = find_assembly(table, settings)
    is_local = Path(repo).exists()
    if not is_local and settings.root is None:
        assembly = replace(assembly, resolve=InCache(hub_folders()))
    about = About(
        id="_".join(part for part in (Path(repo).name, config, split) if part),
        title=Path(repo).name,
        source=f"{Path(repo).name}, on disk" if is_local else f"https://huggingface.co/datasets/{repo}",
        licence="not stated; see the source",
        version="local" if is_local else name.revision,
    )
    return [suite_of(table, assembly, about, root=settings.root or table.root, strict=strict)]


def hub_table(name: HubName) -> Table:
    """One split of a data set as a table.

    Raises:
        DataError: it cannot be had; or it has several splits and none is named.
    """
    splits = hub_splits(name)
    if len(splits) == 1:
        return next(iter(splits.values()))
    if "test" in splits and not name.split:
        return splits["test"]
    raise DataError(f"hf:{name.repo}: has the splits {', '.join(sorted(splits))}; name one: --suite-set split=NAME")


def hub_splits(name: HubName) -> dict[str, Table]:
    """All splits of a data set, or the one that is named.

    Raises:
        DataError: it cannot be had.
    """
    local = Path(name.repo)
    if local.suffix == ".parquet" and local.is_file():
        return {"": read_parquet([local], name=local.name)}
    # A folder of recordings with metadata: `datasets` cannot read one without a decoder, and none is needed.
    for metadata in (local / "metadata.jsonl", local / "metadata.csv"):
        if metadata.is_file():
            return {"": read_table(metadata)}
    found = _load(name)
    by_split = found if isinstance(found, dict) else {name.split: found}
    root = local if local.is_dir() else None
    return {
        split: _table(data, f"{name.repo}:{split}" if split else name.repo, root) for split, data in by_split.items()
    }


def _load(name: HubName) -> Any:
    import datasets

    options: dict[str, Any] = {"split": name.split or None}
    if name.data_files:
        options["data_files"] = name.data_files
    try:
        local = Path(name.repo)
        if (local / "state.json").is_file() or (local / "dataset_dict.json").is_file():
            whole = datasets.load_from_disk(name.repo)
            return whole[name.split] if name.split and isinstance(whole, dict) else whole
        if not local.exists():
            options["revision"] = name.revision
        return datasets.load_dataset(name.repo, name.config or None, **options)
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        reason = _root_cause(error)
        raise DataError(
            f"hf:{name}: cannot be had ({reason}). Is the name right, the network there, HF_TOKEN set if it is gated? "
            "A folder that was downloaded before is given as hf:/path/to/folder"
        ) from error


def _root_cause(error: BaseException) -> str:
    """What lies behind an error; the library wraps it in one that says only that there was one."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300] or type(error).__name__


def _table(data: Dataset, name: str, root: Path | None) -> Table:
    """The rows as Arrow has them: nothing is decoded here, so that no codec library is needed."""
    import datasets

    for column, feature in data.features.items():
        if isinstance(feature, datasets.Audio):
            data = data.cast_column(column, datasets.Audio(decode=False))
    return arrow_table(data.with_format("arrow")[:], name=name, root=root)


class InCache:
    """Names of recordings that the hub's client has put into its cache, which is made of links."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [os.path.realpath(folder) for folder in folders]

    def __call__(self, name: str) -> Path:
        """Where a recording really lies; raises `Fault` if outside."""
        real = os.path.realpath(name)
        if not any(real.startswith(folder + os.sep) for folder in self._folders):
            raise Fault(
                "audio", f"{name!r} lies outside of the data set; give --suite-set root=FOLDER of the recordings"
            )
        return Path(real)


def hub_folders() -> list[Path]:
    """Where the hub's client keeps what it fetched."""
    import datasets
    from huggingface_hub import constants

    return [Path(constants.HF_HUB_CACHE), Path(datasets.config.HF_DATASETS_CACHE)]
