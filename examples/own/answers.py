"""What its owner asks of the packaged version; the gate ``tests`` runs it in a process of its own."""

from __future__ import annotations

import numpy as np

from runtime.flavors import Columns, Floats, Predictor


def test_nobody_pays_a_year_late(model: Predictor, rows: Columns) -> None:
    answers = model.predict(rows)
    assert np.isfinite(answers).all()
    assert answers.max() < 365


def test_half_the_answers_are_within_a_fortnight(model: Predictor, rows: Columns, truth: Floats) -> None:
    assert np.median(np.abs(model.predict(rows) - truth)) < 14
