"""Flight times out of New York in 2013: the fleet of the README."""
