"""Whether the bodies of a segment may go: its time is over for every model in it, and nobody holds any of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

YOUNG = "younger than its model keeps records"
HELD = "under a legal hold"
UNKNOWN = "of a model that the ledger does not know"
EMPTY = "of no model"


def kept_because(
    models: Collection[str],
    last_time: datetime,
    *,
    keep_for: Mapping[str, timedelta],
    held: Collection[str],
    now: datetime,
) -> str | None:
    """Why a segment stays whose records are of these models, the newest of ``last_time``; None when it may go.

    ``keep_for`` is by model, ``held`` are the models under a hold. A record is kept for its time to the end: one of
    exactly that age stays.
    """
    if not models:
        return EMPTY
    if any(model not in keep_for for model in models):
        return UNKNOWN
    if any(model in held for model in models):
        return HELD
    return None if last_time + max(keep_for[model] for model in models) < now else YOUNG
