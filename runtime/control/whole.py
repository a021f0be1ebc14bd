"""All that is behind ``/api``, in one: the ledger for those who follow it, the control API, the console over both.

v1/ledger/...     the ledger's own routes
v1/...            the control API
console/...       pages; they ask the two above as whoever looks, in this process
"""

from __future__ import annotations

from runtime.console.web.application import PREFIX as CONSOLE_PREFIX
from runtime.console.web.application import console
from runtime.control.application import application as control_application
from runtime.control.asking import Control
from runtime.control.histories import Histories
from runtime.control.overseeing import Overseen, oversee
from runtime.control.records import Records
from runtime.control.routed import Routed
from runtime.serving.authentication.gate import Gate
from runtime.serving.ledger_api import PREFIX as LEDGER_PREFIX
from runtime.serving.ledger_api import Ledger
from runtime.serving.ledger_api import application as ledger_application


def whole(ledger: Ledger, gate: Gate, control: Control, records: Records, *, is_tls: bool) -> Routed:
    """To be mounted at ``/api``. ``gate`` is the ledger's own: what a caller may ask of each is counted apart."""
    fleet = control_application(control)
    oversee(fleet, Overseen(records, Histories(control.standing.log)))
    api = Routed({LEDGER_PREFIX: ledger_application(ledger, gate)}, otherwise=fleet)
    return Routed({CONSOLE_PREFIX: console(api, is_tls=is_tls)}, otherwise=api)
