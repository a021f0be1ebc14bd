"""Reads a spec file. What is wrong is said with file, line, path, value and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from runtime.domain import spec as spec_module
from runtime.domain.errors import SpecError
from runtime.domain.spec import Spec


def load_spec(path: Path) -> Spec:
    """The spec in a YAML file. Raises ``SpecError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(str(path), None, "", error.strerror or "an unreadable file", "a readable YAML file") from error
    return parse_spec(text, source=str(path))


def parse_spec(text: str, source: str = "spec") -> Spec:
    """The spec in YAML text; ``source`` names it in errors. Raises ``SpecError``."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise SpecError(source, line, "", str(error.problem), "well-formed YAML") from error
    if not isinstance(document, dict):
        raise SpecError(source, 1, "", f"{type(document).__name__}", "a mapping with kind, name, owner, ...")
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        raise _spec_error(source, tree, error) from error


def _spec_error(source: str, tree: yaml.Node | None, error: ValidationError) -> SpecError:
    """The first problem, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    node, path = _descend(tree, first["loc"])
    line = node.start_mark.line + 1 if node is not None else None
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return SpecError(source, line, path, _found(first), _expected(first) + more)


def _descend(node: yaml.Node | None, loc: Sequence[int | str]) -> tuple[yaml.Node | None, str]:
    """Follows a pydantic location through the YAML tree; parts that are only union tags are passed over."""
    path = ""
    for part in loc:
        if isinstance(part, int) and isinstance(node, yaml.SequenceNode) and part < len(node.value):
            node, path = node.value[part], f"{path}[{part}]"
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    # A scalar's own line is its key's; a block's first line may stand below it.
                    node = value if not isinstance(value, yaml.ScalarNode) else key
                    path = f"{path}.{part}" if path else str(part)
                    break
            else:
                path = f"{path}.{part}" if path and not _is_tag(part) else path or str(part)
    return node, path


def _is_tag(part: int | str) -> bool:
    return str(part) in _TAGS


_TAGS = frozenset(
    {
        "metric",
        "better_than_baseline",
        "better_than_champion",
        "slice",
        "latency_ms_p99",
        "artifact_bytes",
        "round_trip",
    }
)


def _found(problem: Any) -> str:
    if problem["type"] == "missing":
        return "nothing"
    if problem["type"] == "extra_forbidden":
        return f"unknown field {problem['loc'][-1]!r}"
    text = repr(problem["input"])
    return text if len(text) <= 120 else text[:117] + "..."


def _expected(problem: Any) -> str:
    if problem["type"] == "missing":
        return f"a value for {problem['loc'][-1]!r}"
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(problem["loc"][-1]), _field_names(), n=1)
        return f"a field of this section; did you mean {close[0]!r}?" if close else "a field of this section"
    message: str = problem["msg"].removeprefix("Value error, ")
    return message.removeprefix("expected ").removeprefix("Input should be ")


def _field_names() -> list[str]:
    names: set[str] = set()
    for value in vars(spec_module).values():
        if isinstance(value, type) and issubclass(value, BaseModel):
            names.update(value.model_fields)
    return sorted(names)
