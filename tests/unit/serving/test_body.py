import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.errors import RequestError, RequestTooLarge
from runtime.serving.body import inflate

TEXT = b'{"inputs": []}' * 10


def raw_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(content) + stream.flush()


@given(st.binary())
def test_gzip_and_both_spellings_of_deflate_inflate_to_what_was_sent(content: bytes) -> None:
    assert inflate(gzip.compress(content), b"gzip", 1 << 20) == content
    assert inflate(zlib.compress(content), b"deflate", 1 << 20) == content
    assert inflate(raw_deflate(content), b"deflate", 1 << 20) == content


def test_gzip_may_have_several_members() -> None:
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two"), b"gzip", 100) == b"one two"


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_what_would_be_too_large_is_never_inflated_whole(encoding: bytes) -> None:
    content = bytes(64 << 20)
    bomb = gzip.compress(content) if encoding == b"gzip" else zlib.compress(content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(RequestTooLarge, match="more than 1048576 bytes inflated"):
            inflate(bomb, encoding, 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert inflate(gzip.compress(bytes(100)), b"gzip", 100) == bytes(100)


@pytest.mark.parametrize(
    "body",
    [b"", b"x", TEXT, gzip.compress(TEXT, mtime=0)[:-9], gzip.compress(TEXT, mtime=0) + b"more", zlib.compress(TEXT)],
)
def test_gzip_that_is_none_is_malformed(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        inflate(body, b"gzip", 1 << 20)
    assert type(caught.value) is RequestError


def test_deflate_that_is_cut_short_is_malformed() -> None:
    for body in (zlib.compress(TEXT)[:-1], raw_deflate(TEXT)[:-1]):
        with pytest.raises(RequestError, match="the end of its deflate stream"):
            inflate(body, b"deflate", 1 << 20)
