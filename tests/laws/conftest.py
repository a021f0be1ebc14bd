"""Laws hold whatever the time they take: the first example pays for imports and compiled loops."""

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")
