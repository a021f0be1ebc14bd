"""alibi-detect: a Kolmogorov-Smirnov test a feature."""

import warnings

warnings.filterwarnings("ignore")

from alibi_detect.cd import KSDrift  # noqa: E402
from timing import tell, windows  # noqa: E402

reference, current = windows()
detector = KSDrift(reference, p_val=0.05)
tell("alibi-detect", "KSDrift", lambda: detector.predict(current))
