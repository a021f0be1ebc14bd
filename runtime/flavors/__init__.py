"""How versions are stored and brought back to life, one module a flavor.

``load`` imports the library it needs only when it is called (scikit-learn and skops take seconds).
"""

from runtime.flavors.base import Column, Columns, Flavor, Floats, Predictor, Storable, Waiting
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid, EndpointFailed, FlavorMissing, UntrustedTypes
from runtime.flavors.load import dump, load
from runtime.flavors.outputs import outputs

__all__ = [
    "ArtifactInvalid",
    "Column",
    "Columns",
    "Encoding",
    "EndpointFailed",
    "Flavor",
    "FlavorMissing",
    "Floats",
    "Predictor",
    "Storable",
    "UntrustedTypes",
    "Waiting",
    "dump",
    "load",
    "outputs",
]
