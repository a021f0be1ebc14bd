"""Entries about emergencies: a version serves for a short while on the word of two people.

break_glass_opened (one person) ─> break_glass_signed (another) ─> version_approved, grant_issued, version_promoted,
                                                                   and a finding that waits until it was reviewed
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from runtime.domain.base import Document
from runtime.domain.ids import ModelName, VersionNumber

SIGNED_WITHIN: Final = timedelta(hours=1)
"""So long the second person has."""


class BreakGlassOpened(Document):
    """One person wants a version to serve now, for so long, without the approval that its policy asks for."""

    kind: Literal["break_glass_opened"] = "break_glass_opened"
    model: ModelName
    version: VersionNumber
    valid_seconds: Annotated[int, Field(ge=60, le=30 * 86_400)]
    reason: Annotated[str, Field(min_length=1)]


class BreakGlassSigned(Document):
    """Another person agrees."""

    kind: Literal["break_glass_signed"] = "break_glass_signed"
    model: ModelName
    version: VersionNumber
    reason: Annotated[str, Field(min_length=1)]
