"""A past through the monitor, on the cluster: rows of a source (``back``), or what a ledger records (``again``)."""
