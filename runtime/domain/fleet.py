"""From a spec to its models: one a partition of the data, each with a name of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runtime.domain.errors import SpecError
from runtime.domain.ids import is_model_name
from runtime.domain.spec import Spec

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def model_name(spec: Spec, partition: Mapping[str, str]) -> str:
    """The name of one partition's model, e.g. ``flight-time-UA-EWR-ORD``; characters no name may hold become ``_``.

    Raises ``SpecError`` when nothing usable is left or the name is too long.
    """
    safe = {column: _UNSAFE.sub("_", value) for column, value in partition.items()}
    name = spec.name.format_map(safe)
    if not is_model_name(name):
        raise SpecError(
            spec.name, None, "name", repr(name), "a name of letters, digits, '.', '_', '-', at most 128 long"
        )
    return name
