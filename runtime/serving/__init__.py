"""The data plane: protocols, pools, the split of traffic, and the capture of every decision."""
