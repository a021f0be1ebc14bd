"""What is kept, and how surely: objects by digest, the write-ahead files of a replica, sealed segments.

Read in this order: ``objects`` (content-addressed store), ``frames`` (one decision as bytes), ``wal`` (the file
they are appended to), ``segments`` (Parquet, with a Merkle root over its records), ``sealing`` (file to events).
"""
