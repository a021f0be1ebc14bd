"""What this room refuses.

StatisticsError (a FleetwardError)
├── UncountableColumn   a column that cannot be put into its bins
├── LayoutMismatch      counts, a state and a baseline that do not belong together
├── InvalidStatistic    an argument or a stored value outside its domain
├── NoEvidence          a statistic was asked of nothing
├── CorruptState        bytes that are not a stored state, or not one of this version
└── KernelsUnavailable  the compiled counting loops cannot be had here

Fields go to ``super().__init__`` so that the errors survive pickling between processes.
"""

from runtime.domain.errors import FleetwardError


class StatisticsError(FleetwardError):
    """The root of this room's errors."""


class UncountableColumn(StatisticsError):
    """A column cannot be counted: a wrong shape, or values that are not what the bins expect."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(column, reason)
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"column {self.column!r} cannot be counted: {self.reason}"


class LayoutMismatch(StatisticsError):
    """Two things that were counted over different bins were brought together."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"counted over different bins: expected layout {self.expected}, found {self.found}"


class InvalidStatistic(StatisticsError):
    """An argument or a stored value is outside its domain."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class NoEvidence(StatisticsError):
    """A statistic was asked of no rows at all."""

    def __init__(self, statistic: str) -> None:
        super().__init__(statistic)
        self.statistic = statistic

    def __str__(self) -> str:
        return f"{self.statistic} is not defined without rows"


class CorruptState(StatisticsError):
    """Bytes that were to hold counts or a detector's state do not."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(what, expected, found)
        self.what = what
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"not a stored state of this version: {self.what} is {self.found}, expected {self.expected}"


class KernelsUnavailable(StatisticsError):
    """The compiled counting loops cannot be had: numba is not installed, or must not compile."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"no compiled counting loops: {self.reason}"
