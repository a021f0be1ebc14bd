"""What is so, as plain documents: pure functions of a state, one file a subject, alike for API, console and CLI."""
