"""What this room refuses.

ArtifactInvalid (an IntegrityError)   bytes are not an artifact Fleetward wrote, or could do harm when loaded
└── UntrustedTypes                    the model inside needs types that are not on the allow-list
QuarantineFailed                      there was no process in which an artifact could be tried
FlavorMissing                         the library of a flavor is not installed here
EndpointFailed                        somebody else's endpoint gave no answer that can be used
"""

from typing import ClassVar

from runtime.domain.errors import FleetwardError, IntegrityError


class ArtifactInvalid(IntegrityError):
    """An artifact cannot be loaded safely; ``reason`` says what is wrong with its bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"artifact refused: {self.reason}"


class UntrustedTypes(ArtifactInvalid):
    """The model inside names types beyond the allow-list, and nothing of it was constructed."""

    def __init__(self, types: tuple[str, ...]) -> None:
        Exception.__init__(self, types)
        self.types = types
        self.reason = f"it needs types that are not on the allow-list: {', '.join(types)}"


class QuarantineFailed(FleetwardError):
    """No process to try an artifact in: the machine is short of something. The artifact may be sound."""

    status: ClassVar[int] = 503

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the process for first loads failed: {self.reason}"


class FlavorMissing(FleetwardError):
    """A flavor needs a library that is not installed on this machine."""

    status: ClassVar[int] = 503

    def __init__(self, flavor: str, library: str) -> None:
        super().__init__(flavor, library)
        self.flavor, self.library = flavor, library

    def __str__(self) -> str:
        return f"flavor {self.flavor!r} needs {self.library!r}, which is not installed here"


class EndpointFailed(FleetwardError):
    """A remote endpoint did not answer, or not as agreed. ``host`` is all that is said of its address."""

    status: ClassVar[int] = 503

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason)
        self.host, self.reason = host, reason

    def __str__(self) -> str:
        return f"endpoint {self.host}: {self.reason}"
