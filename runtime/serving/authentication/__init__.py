"""Who asks: API keys and tokens of an identity provider, told apart, checked, and bounded, in the replica itself.

Each replica listens on a port of its own and HAProxy is only one way to it, so the gate stands behind both. ``gate``
is what a request meets; ``pepper`` and ``keyring`` know API keys, ``provider``, ``jwks`` and ``oidc`` JSON Web Tokens,
``quota`` how often somebody may ask, ``denials`` counts who was turned away.
"""
