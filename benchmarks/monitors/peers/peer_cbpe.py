"""nannyml: CBPE of accuracy and area under the curve on its bundled `employment_MA` data, and what they really were.

Scores and outcomes are written to the folder as arrays, which the other side reads.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
import numpy as np  # noqa: E402

METRICS = ["accuracy", "roc_auc"]
ROUNDS = 3

reference, analysis, targets = nannyml.load_us_census_ma_employment_data()
analysis = analysis.merge(targets, on="id")
folder, chunk = Path(sys.argv[1]), int(sys.argv[2])
for name, frame in (("reference", reference), ("analysis", analysis)):
    np.save(folder / f"{name}_scores.npy", frame["predicted_probability"].to_numpy(np.float64))
    np.save(folder / f"{name}_outcomes.npy", frame["employed"].to_numpy(np.float64))

columns = {
    "y_pred_proba": "predicted_probability",
    "y_pred": "prediction",
    "y_true": "employed",
    "problem_type": "classification_binary",
    "chunk_size": chunk,
    "metrics": METRICS,
}
fit, estimate = [], []
for _ in range(ROUNDS):
    start = time.process_time()
    estimator = nannyml.CBPE(**columns).fit(reference)
    fit.append(time.process_time() - start)
    start = time.process_time()
    estimated = estimator.estimate(analysis.drop(columns="employed"))
    estimate.append(time.process_time() - start)
estimated = estimated.filter(period="analysis").to_df()
realised = nannyml.PerformanceCalculator(**columns).fit(reference).calculate(analysis).filter(period="analysis").to_df()
for metric in METRICS:
    values = [frame[(metric, "value")].to_numpy() for frame in (estimated, realised)]
    found = {
        "package": "nannyml",
        "version": version("nannyml"),
        "metric": metric,
        "chunks": len(values[0]),
        "mean_absolute_error": float(np.abs(values[0] - values[1]).mean()),
        "fit_cpu_s": min(fit),
        "estimate_cpu_s": min(estimate),
    }
    print(json.dumps(found), flush=True)
