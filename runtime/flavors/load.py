"""One door for all flavors: the manifest inside says which it is.

artifact -> zip, allow-list of formats, digests (container) -> the flavor's own checks -> predictor
"""

from __future__ import annotations

import importlib
from typing import cast

from runtime.flavors import container
from runtime.flavors.base import Flavor, Storable
from runtime.flavors.errors import ArtifactInvalid, FlavorMissing

FLAVORS = ("lightgbm", "onnx", "remote", "rules", "sklearn", "torch", "xgboost")
"""Every flavor, and the module of this room that keeps it."""


def flavor(name: str) -> Flavor:
    """The module of a flavor. Raises ``ArtifactInvalid`` for a name that is none."""
    if name not in FLAVORS:
        raise ArtifactInvalid(f"its flavor {name!r} is not known; known are {', '.join(FLAVORS)}")
    return cast("Flavor", importlib.import_module(f"runtime.flavors.{name}"))


def load(artifact: bytes) -> Storable:
    """The predictor in an artifact.

    Raises ``ArtifactInvalid``, and ``UntrustedTypes`` before any code of it runs; ``FlavorMissing`` where the
    library is not installed that its flavor needs.
    """
    manifest, files = container.unpack(artifact)
    kept = flavor(manifest.flavor)
    try:
        return kept.load(manifest, files)
    except ModuleNotFoundError as error:
        raise FlavorMissing(manifest.flavor, str(error.name)) from error


def dump(predictor: Storable) -> bytes:
    """The artifact of a predictor: the same predictor gives the same bytes."""
    return container.pack(predictor.manifest(), flavor(predictor.flavor).files(predictor))
