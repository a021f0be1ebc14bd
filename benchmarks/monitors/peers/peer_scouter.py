"""scouter-ml, in Rust: drift by its SPC monitor, which the client computes, and a data profile; PSI is its server's."""

import numpy as np
from scouter import DataProfiler, Drifter, SpcDriftConfig
from timing import tell, windows

reference, current = (np.ascontiguousarray(window) for window in windows())
drifter = Drifter()
profile = drifter.create_drift_profile(reference, SpcDriftConfig(space="bench", name="model", version="0.1.0"))
tell("scouter-ml", "SPC drift", lambda: drifter.compute_drift(current, profile))
profiler = DataProfiler()
tell("scouter-ml", "data profile", lambda: profiler.create_data_profile(current))
