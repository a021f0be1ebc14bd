"""The web console: pages over the control API, for people with a browser. It holds nothing and decides nothing."""
