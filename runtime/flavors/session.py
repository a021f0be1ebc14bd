"""A model in ONNX, ready to run: one thread, no arena, built when it is first needed and again after pickling."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.flavors.base import Floats
from runtime.flavors.errors import ArtifactInvalid

_FLOATS = ("tensor(float)", "tensor(double)")


class Session:
    """The graph of one ONNX file. ``output`` names the tensor that is the answer; empty, the first of floats."""

    def __init__(self, model: bytes, output: str = "") -> None:
        self.model = model
        self._wanted = output

    def __reduce__(self) -> tuple[type[Session], tuple[bytes, str]]:
        """Its bytes: what ONNX Runtime builds of them cannot be pickled."""
        return Session, (self.model, self._wanted)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # an arena a session costs a pool of a thousand models its memory
        options.log_severity_level = 4  # what goes wrong is raised
        _refuse_external(self.model)
        try:
            return onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ArtifactInvalid(f"its ONNX file cannot be read: {_first_line(error)}") from error

    @cached_property
    def inputs(self) -> dict[str, tuple[str, tuple[object, ...]]]:
        """The graph's inputs by name: type, such as tensor(float), and shape."""
        return {each.name: (each.type, tuple(each.shape)) for each in self._session.get_inputs()}

    @cached_property
    def output(self) -> str:
        """The name of the answer. Raises ``ArtifactInvalid`` if the graph gives no such tensor of floats."""
        found = {each.name: each.type for each in self._session.get_outputs()}
        for name, kind in found.items():
            if name == self._wanted or (not self._wanted and kind in _FLOATS):
                return str(name)
        wanted = f"output {self._wanted!r}" if self._wanted else "output of floats"
        listed = ", ".join(f"{name} {kind}" for name, kind in found.items())
        raise ArtifactInvalid(f"its ONNX graph has no {wanted}; it gives {listed}")

    def run(self, feeds: dict[str, npt.NDArray[Any]]) -> Floats:
        """One number a row, shape [rows]; of two columns, as a classifier gives them, the second."""
        # The C++ function that `run` of the public class ends in: its checks cost as much as a small model.
        (answer,) = self._session._sess.run([self.output], feeds, None)  # noqa: SLF001
        return one_column(answer)


def one_column(answer: npt.NDArray[Any]) -> Floats:
    """Shape [rows] from [rows], [rows, 1], or [rows, 2] of probabilities. Raises ``ArtifactInvalid``."""
    if answer.ndim == 2 and answer.shape[1] in {1, 2}:
        answer = answer[:, -1]
    if answer.ndim != 1:
        shape = ", ".join(str(size) for size in answer.shape)
        raise ArtifactInvalid(f"its answer has shape [{shape}]; expected [rows], [rows, 1] or [rows, 2]")
    return np.asarray(answer, dtype=np.float64)


def _refuse_external(model: bytes) -> None:
    """Raises ``ArtifactInvalid`` if a tensor stands in another file, which could be any file of this machine."""
    if b"location" not in model:  # the key of every reference to another file: nearly no model has it
        return
    import onnx

    try:
        graph = onnx.load_model_from_string(model).graph
    except Exception as error:
        raise ArtifactInvalid(f"its ONNX file cannot be read: {_first_line(error)}") from error
    if _has_external(graph):
        raise ArtifactInvalid("its ONNX graph reads tensors from other files")


def _has_external(graph: Any) -> bool:
    tensors = [*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            if any(_has_external(inner) for inner in (attribute.g, *attribute.graphs) if inner.node):
                return True
    return any(tensor.external_data or tensor.data_location for tensor in tensors)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
