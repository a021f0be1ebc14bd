"""The fleet over HTTP: what is so, and what people want changed. Knows neither Ray nor actors, and decides nothing.

``standing`` keeps a state up to date from the ledger's database, ``views`` tell of it in plain documents, ``admission``
says who asks, ``application`` is all of it as FastAPI. What is changed is handed to the governor, which is given in.
"""
