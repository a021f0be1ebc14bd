"""nannyml: univariate drift by Jensen-Shannon, fitted before; the window is one chunk."""

import warnings

warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
from timing import frames, tell  # noqa: E402

reference, current = frames()
for method in ("jensen_shannon", "kolmogorov_smirnov"):
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(reference.columns), continuous_methods=[method], chunk_size=len(current)
    ).fit(reference)
    tell("nannyml", f"univariate drift, {method}", lambda calculator=calculator: calculator.calculate(current))
