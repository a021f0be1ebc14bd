"""One door for all flavors: the manifest inside says which it is."""

from __future__ import annotations

from runtime.flavors import container, sklearn
from runtime.flavors.base import Predictor
from runtime.flavors.errors import ArtifactInvalid


def load(artifact: bytes) -> Predictor:
    """The predictor in an artifact. Raises ``ArtifactInvalid``, and ``UntrustedTypes`` before any code of it runs."""
    manifest, model = container.unpack(artifact)
    if manifest.flavor != sklearn.FLAVOR:
        raise ArtifactInvalid(f"its flavor {manifest.flavor!r} is not known; known is {sklearn.FLAVOR!r}")
    return sklearn.load(manifest, model)
