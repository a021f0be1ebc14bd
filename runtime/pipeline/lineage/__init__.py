"""Runs of preparing, training and retraining, told to a lineage collector as OpenLineage events.

``telling`` is a run as a job sees it, ``events`` what is written of it, ``sinks`` where it goes. The ledger has all of
this already; a collector gets it in its own words, may miss some of it, and never holds up a job.
"""
