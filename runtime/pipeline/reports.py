"""What trials of a search report, taken in as it comes. Apart, since it needs Tune when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune import Callback

from runtime.pipeline.trial import Scores


class TrialReports(Callback):
    """Keeps each trial's scores by its number, and calls ``on_progress(done, total, "models searched")``.

    Tune keeps only what its loggers write to files as text; scores and predictions are arrays. ``total``: models times
    trials; a trial that is given up counts as far as it came.
    """

    def __init__(self, on_progress: Callable[[int, int, str], None] | None, total: int) -> None:
        self.finished: dict[int, Scores] = {}
        self._on_progress = on_progress
        self._total = total
        self._models: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks to restore a search, which we never do; a progress bar cannot be pickled."""
        return {**self.__dict__, "_on_progress": None}

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any) -> None:  # noqa: ARG002 - Tune's signature
        """One report of one trial, whose tag begins with its number in the order in which samples were drawn."""
        if "models" not in result:
            return
        self._models[trial.trial_id] = result["models"] * result["fold"] / result["of_folds"]
        if "scores" in result:
            self.finished[int(trial.experiment_tag.partition("_")[0])] = result["scores"]
        if self._on_progress is not None:
            self._on_progress(round(sum(self._models.values())), self._total, "models searched")
