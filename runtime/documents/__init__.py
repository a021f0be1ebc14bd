"""What the records say of a version, in forms that others read: a model card, an ML-BOM. Nothing is typed here."""
