"""river's drift detectors on streams of errors, row by row: where each alarms, up to its first after the drift."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from river import drift

CONFIGURATIONS = {
    "ADWIN": [{"delta": delta} for delta in (0.002, 0.0002, 0.02, 0.2)],
    "PageHinkley": [{"threshold": threshold} for threshold in (50.0, 25.0, 10.0, 5.0)],
    "KSWIN": [{"seed": 1}],  # at 0.6 ms a row, its defaults alone
}

folder = Path(sys.argv[1])
streams, starts = np.load(folder / "streams.npy"), np.load(folder / "starts.npy")
for name, configurations in CONFIGURATIONS.items():
    for configuration in configurations:
        alarms = []
        for stream, start in zip(streams.tolist(), starts.tolist(), strict=True):
            detector, found = getattr(drift, name)(**configuration), []
            for row, error in enumerate(stream):
                detector.update(error)
                if detector.drift_detected:
                    found.append(row)
                    if row >= start:
                        break
            alarms.append(found)
        told = {"detector": name, "version": version("river"), "configuration": configuration, "alarms": alarms}
        print(json.dumps(told), flush=True)
