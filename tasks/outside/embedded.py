"""A recording inside a table: its bytes are taken out of the row when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from aqaa_eval.core.container import AUDIO_SUFFIXES, SUFFIX_OF, container_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """One value of a binary column, or of the `bytes` of an Audio column.

    Attributes:
        name: the file name that the row gives, or one made of the row's place.
        value: an Arrow scalar, which shares the table's memory.
    """

    name: str
    value: Any

    @property
    def n_bytes(self) -> int:
        """Encoded size."""
        return len(self.value.as_buffer())

    def read_bytes(self) -> bytes:
        """The encoded bytes."""
        encoded: bytes = self.value.as_buffer().to_pybytes()
        return encoded

    def __str__(self) -> str:
        return f"{self.name}, inside the table"


def embed(value: pa.Scalar, *, path: str | None, place: str) -> Embedded:
    """Give the bytes of a row a name with the right suffix.

    Args:
        value: the bytes.
        path: the name that the row gives; None if it gives none.
        place: a name for the row's place, such as "row12".
    """
    given = PurePosixPath((path or "").replace("\\", "/")).name
    if PurePosixPath(given).suffix.lower() in AUDIO_SUFFIXES:
        return Embedded(given, value)
    suffix = SUFFIX_OF.get(container_of(value.as_buffer()[:16].to_pybytes()), ".audio")
    return Embedded(f"{given or place}{suffix}", value)
