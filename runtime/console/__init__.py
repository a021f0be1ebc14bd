"""What people see of a fleet, told from its ledger and its objects alone: offline, without Ray."""
