"""How versions are stored and brought back to life, one module a flavor.

``load`` imports the library it needs only when it is called (scikit-learn and skops take seconds).
"""

from runtime.flavors.base import Column, Columns, Floats, Predictor
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid, UntrustedTypes
from runtime.flavors.load import load

__all__ = ["ArtifactInvalid", "Column", "Columns", "Encoding", "Floats", "Predictor", "UntrustedTypes", "load"]
