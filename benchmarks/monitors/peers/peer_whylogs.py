"""whylogs: a profile of sketches of the window, which is what its monitoring compares."""

import warnings

warnings.filterwarnings("ignore")

import whylogs  # noqa: E402
from timing import frames, tell  # noqa: E402

_, current = frames()
tell("whylogs", "profile", lambda: whylogs.log(current), rounds=2)
