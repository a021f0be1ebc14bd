"""What a flavor adds to the bare library: one row and 1,000 rows, the version as loaded against the library's own call.

Bare is what a careful user writes: the fitted model's ``predict`` (or ``predict_proba``) on a matrix that is encoded
already, on one thread. A flavor is asked with named columns, one of them text where the library takes any, and encodes
them itself. Both sides must agree on the answers.

    python benchmarks/flavors.py
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of  # noqa: E402
from runtime.domain.training import Training  # noqa: E402
from runtime.flavors import dump, fitting, load  # noqa: E402
from runtime.flavors.encoding import Encoding  # noqa: E402
from runtime.flavors.threads import one_thread  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "flavors.json"
ROUNDS = 7
SECONDS = 0.15
FEATURES = 20

CASES = [
    ("sklearn", "Ridge", Task.REGRESSION, {}),
    ("sklearn", "LogisticRegression", Task.CLASSIFICATION, {}),
    ("sklearn", "HistGradientBoostingRegressor", Task.REGRESSION, {"max_iter": 100}),
    ("sklearn", "RandomForestRegressor", Task.REGRESSION, {"n_estimators": 100}),
    ("sklearn", "RandomForestClassifier", Task.CLASSIFICATION, {"n_estimators": 100}),
    ("sklearn", "GradientBoostingRegressor", Task.REGRESSION, {}),
    ("sklearn", "MLPRegressor", Task.REGRESSION, {"max_iter": 300}),
    ("xgboost", "XGBRegressor", Task.REGRESSION, {"n_estimators": 100}),
    ("lightgbm", "LGBMRegressor", Task.REGRESSION, {"n_estimators": 100}),
]


def data(rows: int) -> dict[str, Any]:
    """Columns without gaps, since bare libraries differ in what they take."""
    chance = np.random.default_rng(2013)
    return {f"x{at}": chance.normal(size=rows) for at in range(FEATURES)}


def microseconds(call: Callable[[], object]) -> float:
    """Of one call, the mean over a share of a second."""
    call()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        call()
        calls += 1
    return (time.perf_counter() - start) / calls * 1e6


def compare(trainer: str, estimator: str, task: Task, parameters: dict[str, Any]) -> dict[str, Any]:
    """Medians of alternating rounds, for one row and for 1,000."""
    given = data(1000)
    schema = Schema(inputs=tuple(Field(name=name, kind=FieldKind.NUMBER) for name in given), outputs=outputs_of(task))
    raw = sum(column * at for at, column in enumerate(given.values())) / FEATURES
    target = (raw > 0).astype(np.float64) if task is Task.CLASSIFICATION else raw
    training = Training.model_validate({"trainer": trainer, "estimator": estimator})
    encoding = Encoding.learn(given, schema)
    matrix = encoding.matrix(given)
    bare = fitting._estimator(training, task, parameters)  # noqa: SLF001 - the very estimator that the flavor fits
    bare.fit(matrix, target)
    fitted = fitting.served(fitting.fit(training, schema, given, target, parameters, None), given)
    flavor = load(dump(fitted))
    found: dict[str, Any] = {"flavor": trainer, "estimator": estimator, "form": form(flavor)}
    for rows in (1, 1000):
        some, part = {name: column[:rows] for name, column in given.items()}, np.ascontiguousarray(matrix[:rows])

        def library(part: Any = part) -> Any:
            return bare.predict_proba(part)[:, 1] if task is Task.CLASSIFICATION else bare.predict(part)

        def ours(some: Any = some) -> Any:
            return flavor.predict(some)

        assert np.allclose(library(), ours(), rtol=1e-4, atol=1e-4 * float(np.ptp(target)))
        pairs = [(microseconds(library), microseconds(ours)) for _ in range(ROUNDS)]
        theirs, mine = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        found[f"{rows}_rows"] = {"library_us": round(theirs, 1), "flavor_us": round(mine, 1), "faster": round(ratio, 2)}
    return found


def form(predictor: Any) -> str:
    """What answers: see ``runtime/flavors/sklearn.py``."""
    if getattr(predictor, "_linear", None) is not None:
        return "flat"
    if getattr(predictor, "twin", None) is not None:
        return "twin"
    return "flat for few rows" if getattr(predictor, "_flat", None) is not None else "library"


def main() -> None:
    with one_thread():
        found = [compare(*case) for case in CASES]
    for each in found:
        one, many = each["1_rows"], each["1000_rows"]
        print(
            f"{each['flavor']:9} {each['estimator']:30} {each['form']:18}"
            f" 1 row {one['library_us']:9.1f} -> {one['flavor_us']:8.1f} us, {one['faster']:7.2f}x"
            f"   1000 rows {many['library_us']:9.1f} -> {many['flavor_us']:9.1f} us, {many['faster']:6.2f}x"
        )
    RESULTS.write_text(json.dumps({"cases": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
