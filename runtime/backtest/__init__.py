"""What a policy would have done: a recorded past once more, through the monitor and the policies themselves."""
