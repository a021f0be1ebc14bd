"""A training function of an owner's own: boosted trees that may not fall where they should rise."""
