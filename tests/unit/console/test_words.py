"""What was measured is said in the words of its metric."""

import pytest

from runtime.console.words import comparison_in_words, errors_compared, report_in_words
from runtime.domain.reports import Comparison, EvaluationReport, WindowPerformance
from tests.unit.domain.lives import a_finding


def of_classes(rows: int, log_loss: float) -> WindowPerformance:
    return WindowPerformance(rows=rows, mae=0.2, bias=0.0, log_loss=log_loss, accuracy=0.9)


def test_a_finding_about_a_classifier_compares_its_log_loss() -> None:
    finding = a_finding(recent=1.0).model_copy(
        update={"recent": of_classes(30, 0.6), "baseline": of_classes(400, 0.25)}
    )
    assert errors_compared(finding) == ", recent log loss 0.6000 against the baseline's 0.2500"


def test_a_finding_about_a_regression_compares_its_mean_error() -> None:
    assert errors_compared(a_finding(recent=12.0)) == ", recent MAE 12.00 against the baseline's 10.00"
    assert errors_compared(a_finding(recent=None)) == ""


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"mae": 8.2, "rmse": 10.0}, ", MAE 8.20"),
        ({"log_loss": 0.31, "accuracy": 0.9}, ", log loss 0.3100"),
        ({"bias": 0.1}, ""),
    ],
)
def test_a_report_says_its_first_metric(metrics: dict[str, float], said: str) -> None:
    report = EvaluationReport(metrics=metrics, rows=40)
    assert report_in_words(report) == f"0 of 0 gates passed on 40 rows{said}"


def test_a_comparison_says_what_error_was_compared() -> None:
    found = Comparison(
        metric="1 - roc_auc",
        rows=300,
        champion=0.1,
        challenger=0.08,
        difference=-0.02,
        low=-0.03,
        high=-0.01,
        confidence=0.95,
    )
    assert comparison_in_words(found) == (
        "challenger 1 - ROC AUC 0.0800 against the champion's 0.1000 on 300 rows "
        "(difference -0.0300 to -0.0100 at 95% confidence)"
    )
