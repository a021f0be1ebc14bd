"""The torch flavor: weights as safetensors, and the module they belong to, from the code that travels with the job.

The artifact holds the weights and the source of the module's file; loading imports the module and refuses if its source
is another. A pickled state and an exported program are not taken: torch reads both with pickle, the latter where it
says so itself (docs/decisions/2026-11-24-no-exported-programs-of-torch.md).

The module is made without arguments and takes float32 [rows, columns of the schema], NaN where missing, all numbers.
It answers as ``session.one_column`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from runtime.domain.ids import Digest
from runtime.domain.schema import Schema
from runtime.flavors.base import Columns, Floats
from runtime.flavors.brought import BroughtPredictor, check_source, find_named, read_file
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import check_columns
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.session import one_column

FLAVOR = "torch"
FILE = "model.safetensors"
SOURCE = "module.py"


class TorchPredictor(BroughtPredictor):
    """A module in evaluation mode with its weights."""

    flavor = FLAVOR

    def __init__(self, weights: bytes, module: str, source: bytes, schema: Schema) -> None:
        super().__init__(schema)
        self.weights, self.module, self.source = weights, module, source
        if schema.texts:
            raise ArtifactInvalid(f"a torch module takes numbers alone, its schema has the text {schema.texts[0]!r}")
        self._net = _net(weights, check_source(module, source), module)
        try:
            self._run(np.zeros((1, len(schema.inputs)), dtype=np.float32))
        except RuntimeError as error:
            columns = len(schema.inputs)
            first = str(error).splitlines()[0]
            raise ArtifactInvalid(f"{module} cannot answer one row of {columns} columns: {first}") from error

    def __reduce__(self) -> tuple[type[TorchPredictor], tuple[bytes, str, bytes, Schema]]:
        """Its parts, as the artifact has them."""
        return TorchPredictor, (self.weights, self.module, self.source, self._schema)

    def _options(self) -> dict[str, str]:
        """``module`` names the code that the weights belong to."""
        return {"module": self.module}

    def predict(self, columns: Columns) -> Floats:
        """The first output, shape [rows]. Raises ``SchemaMismatch``."""
        rows = check_columns(columns, self._schema)
        if not rows:
            return np.empty(0)
        stacked = np.stack([columns[field.name] for field in self._schema.inputs], axis=1)
        return self._run(np.ascontiguousarray(stacked, dtype=np.float32))

    def _run(self, matrix: Any) -> Floats:
        import torch

        with torch.inference_mode():
            return one_column(self._net(torch.from_numpy(matrix)).numpy())


def bring(file: str, digest: Digest | None, module: str, schema: Schema) -> TorchPredictor:
    """The version in a file of the job's folder. Raises ``SpecError``, ``ArtifactInvalid``."""
    _, source = find_named(module)
    return TorchPredictor(read_file("train.torch.file", file, digest), module, source, schema)


def files(predictor: TorchPredictor) -> dict[str, bytes]:
    """The weights as they were brought, and the source of their module."""
    return {FILE: predictor.weights, SOURCE: predictor.source}


def load(manifest: Manifest, files: Mapping[str, bytes]) -> TorchPredictor:
    """The predictor of a manifest and its files. Raises ``ArtifactInvalid``."""
    module = (manifest.options or {}).get("module")
    if list(files) != [FILE, SOURCE] or module is None:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {FILE} and {SOURCE}")
    return TorchPredictor(files[FILE], module, files[SOURCE], manifest.model_schema)


def _net(weights: bytes, make: Any, module: str) -> Any:
    import safetensors
    import safetensors.torch
    import torch

    if not (isinstance(make, type) and issubclass(make, torch.nn.Module)):
        raise ArtifactInvalid(f"{module} is no torch.nn.Module")
    torch.set_num_threads(1)
    net = make()
    try:
        net.load_state_dict(safetensors.torch.load(weights))
    except (safetensors.SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactInvalid(f"its weights are not those of {module}: {reason}") from error
    net.eval()
    for parameter in net.parameters():
        parameter.requires_grad = False
    return net
