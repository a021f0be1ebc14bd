"""What trials of a search report, taken in as it comes. Apart, since it needs Tune when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune import Callback


class TrialReports(Callback):
    """Keeps each trial's last report, and calls ``on_progress(done, total, "models searched")``.

    Tune keeps only what its loggers write to files as text; scores and predictions are arrays.
    """

    def __init__(self, on_progress: Callable[[int, int, str], None] | None, trials: int) -> None:
        self.finished: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._on_progress = on_progress
        self._trials = trials
        self._models: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks to restore a search, which we never do; a progress bar cannot be pickled."""
        return {**self.__dict__, "_on_progress": None}

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any) -> None:  # noqa: ARG002 - Tune's signature
        """One report of one trial. Ids end in the sample's number, so their order is the order of samples."""
        if "models" not in result:
            return
        self._models[trial.trial_id] = int(result["models"])
        if "scores" in result:
            self.finished[trial.trial_id] = (dict(trial.config), result)
        if self._on_progress is not None:
            self._on_progress(sum(self._models.values()), self._trials * int(result["of"]), "models searched")
