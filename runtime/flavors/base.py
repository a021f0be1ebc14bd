"""What a loaded version can do, whatever library trained it, and what a flavor is.

Predictor   a version in memory, ready to answer                    what serving, gates and reports need
Storable    a predictor that can be written down                    what training needs
Flavor      one module: FLAVOR, ``files`` of a storable, ``load``   what ``load.py`` and the contract tests need
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from runtime.domain.schema import Schema

if TYPE_CHECKING:
    from runtime.flavors.container import Manifest

Column: TypeAlias = npt.NDArray[Any]
"""One input column, shape [rows]: float64 with NaN for missing, or object with text and None for missing."""

Columns: TypeAlias = Mapping[str, Column]

Floats: TypeAlias = npt.NDArray[np.float64]


class Predictor(Protocol):
    """A version in memory, ready to answer; safe to call from several threads."""

    @property
    def schema(self) -> Schema:
        """The columns it takes and gives."""
        ...

    def predict(self, columns: Columns) -> Floats:
        """The schema's first output, one a row, shape [rows]. Other outputs follow from it (``outputs``).

        Raises ``SchemaMismatch`` if a column is missing, not as long as the others, or holds what it cannot take.
        """
        ...


@runtime_checkable
class Waiting(Predictor, Protocol):
    """A predictor whose answer comes from elsewhere: on an event loop, await ``ask`` in place of ``predict``."""

    async def ask(self, columns: Columns) -> Floats:
        """As ``predict``, without blocking the loop it is awaited on."""
        ...


class Storable(Predictor, Protocol):
    """A predictor that can be written down."""

    @property
    def flavor(self) -> str:
        """The name of its flavor."""
        ...

    @property
    def used(self) -> tuple[str, ...]:
        """The input columns that it looks at."""
        ...

    def manifest(self) -> Manifest:
        """What its artifact says of itself; ``pack`` adds the digests of its files."""
        ...


class Flavor(Protocol):
    """A module of this room that keeps one kind of version. Its imports of a library are lazy."""

    FLAVOR: str

    def files(self, predictor: Any) -> dict[str, bytes]:
        """What the artifact holds beside its manifest, by name; the same bytes for the same predictor."""
        ...

    def load(self, manifest: Manifest, files: Mapping[str, bytes]) -> Storable:
        """The inverse. Raises ``ArtifactInvalid`` for anything that ``files`` never gave."""
        ...
