"""Reads a spec file. What is wrong is said with file, line, path, value and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from runtime.domain import behaviour, gates, overrides, training
from runtime.domain import spec as spec_module
from runtime.domain.errors import SpecError
from runtime.domain.policy_document import PolicyDocument
from runtime.domain.spec import Spec

SHOWN_CHARACTERS = 120

Read = TypeVar("Read", bound=BaseModel)


def load_spec(path: Path) -> Spec:
    """The spec in a YAML file. Raises ``SpecError``."""
    return parse_spec(text_of(path), source=str(path))


def load_policy(path: Path) -> PolicyDocument:
    """The policy in a YAML file. Raises ``SpecError``."""
    return parse_document(text_of(path), str(path), PolicyDocument, "kind, name, about, ...")


def text_of(path: Path) -> str:
    """What a YAML file holds. Raises ``SpecError``."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(str(path), None, "", error.strerror or "an unreadable file", "a readable YAML file") from error
    except UnicodeDecodeError as error:
        raise SpecError(str(path), None, "", f"bytes that are not text ({error.reason})", "YAML in UTF-8") from error


def parse_spec(text: str, source: str = "spec") -> Spec:
    """The spec in YAML text; ``source`` names it in errors. Raises ``SpecError``."""
    return parse_document(text, source, Spec, "kind, name, owner, ...")


def parse_document(text: str, source: str, kind: type[Read], fields: str) -> Read:
    """A document in YAML text, of which ``fields`` names the first ones. Raises ``SpecError``."""
    tree, document = _parse_yaml(text, source)
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        raise SpecError(source, 1, "", found, f"a mapping with {fields}")
    for line, path in sorted(_repeated(tree)):
        raise SpecError(source, line, path, "this field a second time", "each field once")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise _spec_error(source, tree, error) from error


def located(error: SpecError, path: Path) -> SpecError:
    """An error about a spec that was read from this file, with file and line; as it is if it has them."""
    if error.line is not None or error.source != "spec":
        return error
    tree, _ = _parse_yaml(path.read_text(encoding="utf-8"), str(path))
    loc = [int(part) if part.isdigit() else part for part in error.path.split(".")]
    node, found, _ = _descend(tree, loc, loc[-1])
    line = None if node is None else node.start_mark.line + 1
    return SpecError(str(path), line, found or error.path, error.value, error.expected)


def _parse_yaml(text: str, source: str) -> tuple[yaml.Node | None, Any]:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line if mark else 0
        lines = text.splitlines()
        shown = repr(lines[line].strip()) if line < len(lines) else "the end of the file"
        raise SpecError(source, line + 1, "", shown, f"well-formed YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2013-99-99
        raise SpecError(source, None, "", str(error).splitlines()[0], "well-formed YAML") from error


def _repeated(root: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Line and path of every key that stands in its mapping already: YAML's own reader takes the last, silently."""
    waiting, visited = [(root, "")], set()
    while waiting:
        node, path = waiting.pop()
        if node is None or id(node) in visited:  # an alias may stand inside its own anchor
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(value, f"{path}[{index}]") for index, value in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                inner = f"{path}.{key.value}" if path else str(key.value)
                if key.value in seen:
                    yield key.start_mark.line + 1, inner
                seen.add(key.value)
                waiting.append((value, inner))


@dataclass(frozen=True, slots=True)
class _Problem:
    """One of pydantic's complaints, found again in the file."""

    line: int | None
    path: str
    depth: int
    unknown: bool
    found: str
    expected: str


def _spec_error(source: str, tree: yaml.Node | None, error: ValidationError) -> SpecError:
    """The first problem, and how many more there are. An unknown field is often why another is missing."""
    problems = [_problem(tree, each) for each in error.errors(include_url=False)]
    first = next((each for each in problems if each.unknown), problems[0])
    # Each member of a union complains; the one that got farthest is the one that was meant.
    about = [each for each in problems if each.path.startswith(first.path)] if not first.unknown else [first]
    first = max(about, key=lambda each: each.depth)
    expected = dict.fromkeys(each.expected for each in about if each.path == first.path)
    rest = len({each.path for each in problems if not first.path.startswith(each.path)})
    more = f" (and {rest} more)" if rest else ""
    return SpecError(source, first.line, first.path, first.found, " or ".join(expected) + more)


def _problem(tree: yaml.Node | None, problem: Any) -> _Problem:
    context = problem.get("ctx", {})
    inner = (part for part in str(context.get("at", "")).split(".") if part)
    loc = [*problem["loc"], *(int(part) if part.isdigit() else part for part in inner)]
    absent = loc[-1] if loc and (problem["type"] == "missing" or context.get("found") == "nothing") else None
    node, path, depth = _descend(tree, loc, absent)
    line = node.start_mark.line + 1 if node is not None else None
    unknown = problem["type"] == "extra_forbidden"
    return _Problem(line, path, depth, unknown, _found(problem), _expected(problem))


def _descend(
    node: yaml.Node | None, loc: Sequence[int | str], absent: int | str | None
) -> tuple[yaml.Node | None, str, int]:
    """Follows a pydantic location through the YAML tree: node, path and how many parts of it are in the file.

    Parts that are not in the file are names of union members, and are passed over; only ``absent``, a field
    that should be there, is kept.
    """
    path, depth = "", 0
    for at, part in enumerate(loc):
        if tuple(loc[:1]) == ("gates",) and at == 2:
            continue  # the tag of a gate, which may be spelled like one of its fields
        inner = _child(node, part)
        if inner is not None:
            node, depth = inner, depth + 1
        elif part != absent or at != len(loc) - 1:
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return node, path, depth


def _child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    inner: yaml.Node | None = None
    if isinstance(part, int) and isinstance(node, yaml.SequenceNode) and part < len(node.value):
        inner = node.value[part]
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                # A scalar's own line is its key's; a block's first line may stand below it.
                inner = key if isinstance(value, yaml.ScalarNode) else value
    return inner


def _found(problem: Any) -> str:
    if problem["type"] == "missing":
        return "nothing"
    if problem["type"] == "extra_forbidden":
        return f"unknown field {str(problem['loc'][-1])!r}"
    if problem["type"] == "misfit":
        return str(problem["ctx"]["found"])
    text = repr(problem["input"])
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


_WORDS = {
    "missing": "a value for it",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of fields",
    "too_short": "at least {min_length} in the list",
    "string_too_short": "text of at least {min_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "union_tag_invalid": "{discriminator} to be one of {expected_tags}",
    "union_tag_not_found": "a value for {discriminator}",
}
"""Pydantic's types of error in the words of a spec."""


def _expected(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(problem["loc"][-1]), _field_names(), n=1)
        return f"a field of this section; did you mean {close[0]!r}?" if close else "a field of this section"
    if problem["type"] in _WORDS:
        return _WORDS[problem["type"]].format(**problem.get("ctx", {}))
    message: str = problem["msg"].removeprefix("Value error, ")
    return message.removeprefix("expected ").removeprefix("Input should be ")


def _field_names() -> list[str]:
    names: set[str] = set()
    modules = (spec_module, gates, behaviour, training, overrides)
    for value in chain.from_iterable(vars(module).values() for module in modules):
        if isinstance(value, type) and issubclass(value, BaseModel):
            names.update(value.model_fields)
    return sorted(names)
