"""The writer's core: checks each command, folds it, records it together with what follows from it."""
