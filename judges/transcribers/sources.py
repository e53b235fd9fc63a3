"""From what is written after `--asr` to a checkpoint on this machine: the settings and places all local ears share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.core.weights import locate
from aqaa_eval.judges.transcribers.language_choice import SUITE

SETTINGS = {
    "language": "suite (default: detected, the suite's languages first), detect, or a tag such as en to force it",
    "device": "where the network runs: cpu or cuda",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One checkpoint.

    Attributes:
        path: a file or a folder.
        name: what the identity calls it.
    """

    path: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """Settings of a recogniser on this machine; see `SETTINGS`."""

    language: str = SUITE
    device: str = "cpu"


def read_settings(kind: str, options: Mapping[str, OptionValue]) -> LocalSettings:
    """The settings of `--asr-set`.

    Raises:
        UsageError: there is no such setting.
    """
    unknown = sorted(set(options) - set(SETTINGS))
    if unknown:
        raise UsageError(f"--asr {kind} has no setting {unknown[0]!r}; it has {', '.join(SETTINGS)}")
    return LocalSettings(**{name: str(value) for name, value in options.items()})


def find_source(kind: str, argument: str, *, wants_folder: bool) -> Source:
    """The checkpoint behind `--asr KIND:ARGUMENT`: a path, else a name of the weights catalogue ("base" if empty).

    Raises:
        UsageError: the path is not there.
        MissingWeights, UnknownName: the catalogue's weights are not fetched, or not known.
    """
    if "/" in argument or argument.endswith(".pt"):
        path = Path(argument).expanduser()
        if not (path.is_dir() if wants_folder else path.is_file()):
            wanted = "folder" if wants_folder else "file"
            raise UsageError(
                f"--asr {kind}:{argument}: no such {wanted}; give a {_FORMS[kind]}, or a name: {kind}:base"
            )
        return Source(path=path, name=path.name if wants_folder else path.stem)
    name = argument or "base"
    return Source(path=locate(f"{kind}:{name}"), name=name)


_FORMS = {
    "whisper": "Whisper .pt file",
    "faster-whisper": "CTranslate2 folder",
    "hf-whisper": "transformers folder",
}
