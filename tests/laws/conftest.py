"""Laws hold whatever the time they take: the first example pays for imports and compiled loops.

``make check`` asks for the profile "quick", which draws fewer examples of what names no number of its own.
"""

import os

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "laws"))
