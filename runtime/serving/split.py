"""Who gets the challenger: a stable point in [0, 1) for each unit of traffic, compared with the share.

    point = first 8 bytes of BLAKE2b(model || 0x00 || unit), as an integer / 2**64

The unit is the sticky key when the caller gave one, else the decision id. A unit's point never moves, so raising
the share only adds units to the canary and never takes one back; the model's name stands in the hash, so that the
same callers are not the guinea pigs of every model.
"""

from __future__ import annotations

from hashlib import blake2b

_SCALE = 2.0**-53


def point(model: str, unit: str) -> float:
    """Where the unit falls in [0, 1), the same on every replica and after every restart."""
    digest = blake2b(b"%s\x00%s" % (model.encode(), unit.encode()), digest_size=8).digest()
    # 53 bits fill a float's mantissa exactly; 64 could round up to 1.0.
    return (int.from_bytes(digest, "big") >> 11) * _SCALE


def is_canary(model: str, unit: str, share: float) -> bool:
    """Whether the challenger answers this unit: at share 0 nobody's, at share 1 everybody's."""
    return point(model, unit) < share
