"""What this room refuses.

ArtifactInvalid (an IntegrityError)   bytes are not an artifact Fleetward wrote, or could do harm when loaded
└── UntrustedTypes                    the model inside needs types that are not on the allow-list
"""

from runtime.domain.errors import IntegrityError


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
