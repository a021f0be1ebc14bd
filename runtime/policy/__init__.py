"""Pure decisions: from facts to a verdict with a reason. Nothing here does anything, or asks anybody."""
