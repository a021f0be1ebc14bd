"""The MLOps plane: rows become a prepared dataset, a dataset becomes models, models become packages.

prepare (Ray Data) -> search (Ray Tune) -> train -> evaluate -> package        retrain: all of it, for some models
"""
