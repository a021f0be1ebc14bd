"""What a document says when its own fields do not fit each other."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


def misfit(at: str, found: object, expected: str) -> PydanticCustomError:
    """Fields that do not fit each other: which one to look at, what it holds, what was expected of it."""
    return PydanticCustomError("misfit", "{expected}", {"at": at, "found": found, "expected": f"expected {expected}"})
