"""Every error Fleetward raises on purpose, in one tree.

    FleetwardError                      status  meaning
    ├── SpecError                       422     a spec file is wrong: file, line, path, value, expected
    ├── SettingsError                   500     an environment variable or folder is not usable
    ├── DataError                       422     a dataset cannot be used as declared
    │   ├── MissingColumn
    │   ├── UnusableTarget
    │   └── TooFewRows
    ├── RequestError                    400     a request is malformed
    │   ├── SchemaMismatch              422     well-formed, but not what the model takes
    │   ├── RequestTooLarge             413
    │   └── UnsupportedMedia            415     a media type or content encoding that is not read here
    ├── Unsupported                     501     a part of a protocol that is not here
    ├── UnknownModel, UnknownVersion    404
    ├── NotServable                     503     the model exists, but nothing of it may be served now
    │   └── ModelGone                   410     nor ever again
    ├── Refused                         409     a rule said no, and says why
    │   ├── IllegalMove                         not a move of the life cycle
    │   ├── Forbidden               403         the principal lacks the role
    │   │   └── Unproven                        or did not prove to be who it says it is
    │   ├── IdempotencyConflict                 same event id, another body
    │   └── ModelChanged            412         another entry about the model came before
    └── IntegrityError                  500     bytes are not what their digest, signature or proof says
        ├── DigestMismatch
        ├── GrantInvalid
        └── LedgerCorrupt

Errors cross process boundaries pickled, so each passes its fields to ``super().__init__`` and renders
its text in ``__str__``; an exception that formats in ``__init__`` reaches a Ray caller unserialisable.
"""

from __future__ import annotations

from typing import ClassVar


class FleetwardError(Exception):
    """Root of every deliberate error; ``status`` is the HTTP status that fits it."""

    status: ClassVar[int] = 500


class SpecError(FleetwardError):
    """A spec cannot be read: says file, line, path inside it, the value found and what was expected."""

    status: ClassVar[int] = 422

    def __init__(self, source: str, line: int | None, path: str, value: str, expected: str) -> None:
        super().__init__(source, line, path, value, expected)
        self.source, self.line, self.path, self.value, self.expected = source, line, path, value, expected

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.path or 'document'}: got {self.value}; expected {self.expected}"


class SettingsError(FleetwardError):
    """A setting of the environment cannot be used."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name, self.value, self.expected = name, value, expected

    def __str__(self) -> str:
        return f"{self.name}={self.value!r} cannot be used; expected {self.expected}"


class DataError(FleetwardError):
    """A dataset, or one partition of it, cannot be used as the spec declares."""

    status: ClassVar[int] = 422

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class MissingColumn(DataError):
    """A column the spec names is not in the data."""

    def __init__(self, where: str, column: str, present: tuple[str, ...]) -> None:
        Exception.__init__(self, where, column, present)
        self.where, self.column, self.present = where, column, present
        self.reason = f"no column {column!r}; columns are {', '.join(present)}"


class UnusableTarget(DataError):
    """The target holds values no model can learn from, such as NaN."""

    def __init__(self, where: str, target: str, bad_rows: int, rows: int) -> None:
        Exception.__init__(self, where, target, bad_rows, rows)
        self.where, self.target, self.bad_rows, self.rows = where, target, bad_rows, rows
        self.reason = f"target {target!r} is missing or not finite in {bad_rows} of {rows} rows"


class TooFewRows(DataError):
    """A partition has fewer rows than the spec asks for."""

    def __init__(self, where: str, rows: int, min_rows: int) -> None:
        Exception.__init__(self, where, rows, min_rows)
        self.where, self.rows, self.min_rows = where, rows, min_rows
        self.reason = f"{rows} rows, fewer than the {min_rows} required"


class RequestError(FleetwardError):
    """A request is malformed: names where, what was found and what was expected."""

    status: ClassVar[int] = 400

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(where, found, expected)
        self.where, self.found, self.expected = where, found, expected

    @property
    def members(self) -> dict[str, str]:
        """What its problem document says beside these three."""
        return {}

    def __str__(self) -> str:
        return f"{self.where}: got {self.found}; expected {self.expected}"


class SchemaMismatch(RequestError):
    """A well-formed request that does not fit the model's input schema."""

    status: ClassVar[int] = 422


class RequestTooLarge(RequestError):
    """A body over the limit."""

    status: ClassVar[int] = 413


class UnsupportedMedia(RequestError):
    """A media type or content encoding that is not read here."""

    status: ClassVar[int] = 415


class Unsupported(FleetwardError):
    """A part of a protocol that is not here."""

    status: ClassVar[int] = 501

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"not supported: {self.what}"


class UnknownModel(FleetwardError):
    """No model has this name."""

    status: ClassVar[int] = 404

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return f"no model is named {self.model!r}"


class UnknownVersion(FleetwardError):
    """The model has no such version, or none that may be named here."""

    status: ClassVar[int] = 404

    def __init__(self, model: str, version: str) -> None:
        super().__init__(model, version)
        self.model, self.version = model, version

    def __str__(self) -> str:
        return f"model {self.model!r} has no version {self.version} here"


class NotServable(FleetwardError):
    """The model is known, but no version of it may be served at this moment."""

    status: ClassVar[int] = 503

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model {self.model!r} cannot be served: {self.reason}"


class ModelGone(NotServable):
    """The model was retired: nothing of it is served again."""

    status: ClassVar[int] = 410


class Refused(FleetwardError):
    """A rule refused the command; the reason carries its numbers."""

    status: ClassVar[int] = 409

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"{self.what} refused: {self.reason}"


class IllegalMove(Refused):
    """The life cycle has no such move from the version's present status."""


class Forbidden(Refused):
    """The principal does not hold a role that may do this."""

    status: ClassVar[int] = 403


class Unproven(Forbidden):
    """The principal must prove who it is, and proved nothing."""


class IdempotencyConflict(Refused):
    """An event id came again with another body."""


class ModelChanged(Refused):
    """The command was meant for the model as it stood at an earlier entry."""

    status: ClassVar[int] = 412


class IntegrityError(FleetwardError):
    """Bytes are not what their digest, signature or proof promises."""


class DigestMismatch(IntegrityError):
    """An object's content does not hash to its name."""

    def __init__(self, name: str, expected: str, actual: str) -> None:
        super().__init__(name, expected, actual)
        self.name, self.expected, self.actual = name, expected, actual

    def __str__(self) -> str:
        return f"{self.name}: content hashes to {self.actual}, not to {self.expected}"


class GrantInvalid(IntegrityError):
    """A grant does not allow this version to be served: signature, digest, time or scope is wrong."""

    def __init__(self, model: str, version: int, reason: str) -> None:
        super().__init__(model, version, reason)
        self.model, self.version, self.reason = model, version, reason

    def __str__(self) -> str:
        return f"grant for {self.model} version {self.version} is not valid: {self.reason}"


class LedgerCorrupt(IntegrityError):
    """The ledger's bytes contradict themselves; names the first bad entry."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(seq, reason)
        self.seq, self.reason = seq, reason

    def __str__(self) -> str:
        return f"ledger entry {self.seq}: {self.reason}"
