"""Entries as people and programs read them: what the leaf says, and a sentence."""

from __future__ import annotations

from typing import Any

from runtime.console.sentences import sentence
from runtime.domain.entry import Entry


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry's document with its sentence."""
    return {**entry.as_document(), "sentence": sentence(entry)}


def concerns(entry: Entry, model: str) -> bool:
    """Whether an entry is about the model: alone, or as one of several."""
    return getattr(entry.event, "model", None) == model or model in getattr(entry.event, "models", ())
