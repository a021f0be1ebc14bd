"""What a local cluster changes in the configuration that Serve writes for HAProxy (Ray 2.60), line by line.

Retries. HAProxy sends a request again when its replica died before a word of an answer (``empty-response``). That is
safe for what reads, and for a question with an idempotency key, which is one decision whoever answers; anything else
might be done twice, so it is excepted and fails as before. HAProxy keeps only a request that it has whole when it
begins to send it, so it waits for the body of one with a key; one longer than its buffer (16 kB) is not sent again.

TLS. Serve gives replicas the certificate, but writes neither it nor TLS towards replicas for HAProxy. Where
``start_front`` left certificate and key in ``tls_file``, HAProxy takes TLS with them and speaks it to replicas. It does
not check theirs: they stand on this machine's loopback, and the certificate names what callers know.

Serve writes the file anew before each start, so that nothing is changed twice.
"""

from __future__ import annotations

from pathlib import Path

RETRY_ON = "conn-failure empty-response"

_RETRIES = (
    r"""sed -i -E '/^frontend http_frontend/{n;s/^( *)bind .*/&\n"""
    r"""\1http-request disable-l7-retry if !METH_GET !{ req.hdr(idempotency-key) -m found }\n"""
    r"""\1http-request wait-for-body time 30s if { req.hdr(idempotency-key) -m found }/}' "$file" """
)
_TLS = (
    r"""sed -i -E -e '/^frontend http_frontend/{n;s#^( *bind .*)#\1 ssl crt %s#}'"""
    r""" -e '/ proto h2 /!s/^( *server [^ ]+ [^ ]+) check/\1 ssl verify none check/' "$file" """
)


def edits(tls_file: Path) -> str:
    """Shell that changes ``$file``."""
    tls = _TLS % tls_file
    return f"    {_RETRIES.strip()}\n    test ! -e {tls_file} || {tls.strip()}\n"
