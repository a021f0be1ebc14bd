"""One version's prediction for one request, as the decision that records it."""

from __future__ import annotations

import time
from datetime import datetime

from runtime.domain.decision import Decision, Variant
from runtime.domain.errors import FleetwardError, NotServable
from runtime.domain.flags import NOT_FINITE
from runtime.flavors import Predictor
from runtime.serving.live import Caller, Offered
from runtime.serving.protocols.request import InferRequest

NAMED = "version_named"
"""The caller named the version: not a draw of the split, and no pair."""


def predict(
    predictor: Predictor,
    offered: Offered,
    variant: Variant,
    decision_id: str,
    request: InferRequest,
    caller: Caller,
    flags: tuple[str, ...],
    now: datetime,
) -> Decision:
    """The decision. Raises ``NotServable`` when the grant has ended by ``now`` or the version fails."""
    model, version, artifact = offered.key
    if now.timestamp() >= offered.valid_until:
        raise NotServable(model, f"the grant of version {version} has ended")
    try:
        outputs = predictor.predict(request.columns).tolist()
    except FleetwardError:
        raise
    except Exception as error:
        raise NotServable(model, f"version {version} failed: {type(error).__name__}: {error}") from error
    if len(outputs) != request.rows:
        raise NotServable(model, f"version {version} gave {len(outputs)} rows for {request.rows}")
    total = sum(outputs)
    if total - total != 0:  # NaN or infinite somewhere
        flags = (*flags, NOT_FINITE)
    decision = Decision(
        decision_id=decision_id,
        time=now,
        event_time=request.event_time or now,
        model=model,
        version=version,
        artifact=artifact,
        grant_id=offered.grant_id,
        variant=variant,
        caller=caller.name,
        trace_id=caller.trace_id,
        latency_us=round((time.perf_counter() - caller.started) * 1e6),
        numbers=request.numbers,
        texts=request.texts,
        outputs=outputs,
        flags=flags,
    )
    return decision if caller.subject is None else caller.subject.protect(decision)
