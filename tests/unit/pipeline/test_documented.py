"""What docs/pipeline says of gates and training is read as a spec would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from runtime.domain import gates
from runtime.domain.load import load_spec
from runtime.domain.spec import Spec
from runtime.domain.training import Training


def excerpts(root: Path, page: str) -> list[Any]:
    """Every YAML block of a page."""
    text = (root / "docs" / "pipeline" / page).read_text(encoding="utf-8")
    return [yaml.safe_load(part.partition("```")[0]) for part in text.split("```yaml\n")[1:]]


def test_the_page_of_gates_shows_every_gate_there_is_and_a_spec_takes_them(root: Path) -> None:
    (shown,) = excerpts(root, "gates.md")
    late = load_spec(root / "examples" / "late" / "spec.yaml")
    taken = Spec.model_validate(late.as_document() | shown)
    union, _ = get_args(gates.Gate)
    kinds = {get_args(kind)[0] for kind in get_args(union)}
    assert {type(gate) for gate in taken.gates} == kinds


@pytest.mark.parametrize("at", [0, 1])
def test_the_page_of_training_is_read_as_a_spec(at: int, root: Path) -> None:
    shown = excerpts(root, "training.md")
    assert len(shown) == 2
    training = Training.model_validate(shown[at]["train"])
    assert training.leaves_a_choice
