"""Witnesses and anchors: what others hold of the ledger, so that nobody here can rewrite what they hold.

Read in this order: ``request`` (the wire format of C2SP tlog-witness), ``witness`` (the checks that stand before
a cosignature), ``memory`` (what a witness must never forget), ``server`` (its HTTP), ``submit`` (the ledger's side),
``anchor`` (an object store with object lock), ``reading`` (what an auditor makes of anchors), ``handing`` (each new
checkpoint to each of them, from the ledger's process). The witness knows no database and no Ray: it runs elsewhere,
under somebody else's hands, or it proves little.
"""
