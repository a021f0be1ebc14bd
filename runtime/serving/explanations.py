"""Explanations of answers, computed beside the event loop: one at a time, a few waiting, the rest turned away.

An explanation costs hundreds of predictions. It must hold up neither the loop nor, by its number, the process; and it
is of the answer that was given and recorded, or it is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np

from runtime.domain.decision import Decision
from runtime.domain.errors import NotServable, RequestError, Unsupported
from runtime.explaining.decision import ExplainedDecision, check_same, profile_of
from runtime.explaining.explanation import Explanation
from runtime.explaining.finding import Answered
from runtime.explaining.methods import explain
from runtime.flavors import Predictor
from runtime.flavors.base import Waiting
from runtime.serving.live import Offered, Overloaded
from runtime.serving.protocols.request import InferRequest
from runtime.serving.recorded import Recorded

ROWS = 32
"""Rows of one request that are explained: each is hundreds of predictions."""
WAITING = 16
BASELINES = 64
"""Remembered baselines; one is some kilobytes."""
SEED = 0
"""The same request of the same version is explained alike, here and by ``fleetward explain``."""

_Explained = TypeVar("_Explained")


class Explainer:
    """``fetch`` gives a baseline by its digest. ``explain`` belongs to the event loop."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._waiting = 0
        self._profile = lru_cache(maxsize=BASELINES)(lambda digest: profile_of(fetch(digest)))

    async def explain(
        self, offered: Offered, predictor: Predictor, request: InferRequest, decision: Decision
    ) -> Explanation:
        """Why the decision is what it is.

        Raises ``Unsupported`` for a version that answers from elsewhere, of more than two classes, or whose route names
        no baseline, ``RequestError`` for too many rows, ``Overloaded``, ``NotServable`` while the baseline cannot be
        read, ``NotAdditive`` and ``AnotherAnswer``.
        """
        baseline = self._explainable(offered, predictor, request.rows)
        return await self._in_turn(decision.model, lambda: self._explained(baseline, predictor, request, decision))

    async def find(self, model: str, decision_id: str, recorded: Recorded) -> Answered:
        """A decision that was answered before, in turn with the explanations: it may mean reading many segments.

        Raises ``NoSuchDecision``, ``LedgerAway``, ``Overloaded``.
        """
        sealed = await recorded.where(model, decision_id)
        return await self._in_turn(model, lambda: recorded.find(model, decision_id, sealed))

    async def explain_recorded(
        self, offered: Offered, predictor: Predictor, answered: Answered, recorded: Recorded
    ) -> ExplainedDecision:
        """Why a decision of this version was what it was. Raises as ``explain``, and as ``explain_decision``."""
        self._explainable(offered, predictor, answered.place.rows)
        return await self._in_turn(offered.key.model, lambda: recorded.explain(answered, predictor, SEED))

    def _explainable(self, offered: Offered, predictor: Predictor, rows: int) -> str:
        """Its baseline's digest."""
        baseline = offered.servable.baseline
        if baseline is None or isinstance(predictor, Waiting) or offered.schema.gives_class:
            raise Unsupported(f"explanations of model {offered.key.model!r} version {offered.version}")
        if rows > ROWS:
            raise RequestError("rows", f"{rows} rows", f"at most {ROWS} rows to explain")
        return baseline

    async def _in_turn(self, model: str, explained: Callable[[], _Explained]) -> _Explained:
        if self._waiting >= WAITING:
            raise Overloaded(model, f"{self._waiting} requests wait for an explanation")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, explained)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Begins none that waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _explained(self, baseline: str, predictor: Predictor, request: InferRequest, decision: Decision) -> Explanation:
        try:
            profile = self._profile(baseline)
        except OSError as error:
            raise NotServable(decision.model, f"its baseline cannot be read now: {error}") from error
        explanation = explain(predictor, request.columns, profile, SEED)
        recorded = np.asarray(decision.outputs, dtype=np.float64)
        check_same(decision.decision_id, recorded, explanation.outputs)
        return explanation
