"""A classifier that nobody trained: a decision table for late flights, governed like one that was."""
