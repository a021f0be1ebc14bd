"""Two classifiers on real data: cells of tumours (two classes), wines (three)."""
