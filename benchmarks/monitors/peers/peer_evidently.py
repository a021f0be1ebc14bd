"""evidently: its drift preset, which tests every column; statistics alone, nothing is rendered."""

import warnings

warnings.filterwarnings("ignore")

from evidently import Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402
from timing import frames, tell  # noqa: E402

reference, current = frames()
report = Report([DataDriftPreset()])
tell("evidently", "drift preset, its own choice of tests", lambda: report.run(current, reference), rounds=1)
