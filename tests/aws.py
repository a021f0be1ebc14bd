"""A real server that speaks AWS's APIs (moto), a process of its own, and the environment that leads clients to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

REGION = "eu-central-1"
CREDENTIALS: Mapping[str, str] = MappingProxyType(
    {
        "AWS_ACCESS_KEY_ID": "operator",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    }
)
"""As an operator gives them, and nothing of whoever runs the tests."""


@contextmanager
def aws_server(**environment: str) -> Iterator[str]:
    """Its URL, while it runs."""
    arguments = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stderr is not None
        told = next((found for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line))), None)
        assert told is not None, "the AWS-compatible server did not start"
        drain = threading.Thread(target=process.stderr.read)  # its log must not fill the pipe
        drain.start()
        yield told[0]
        process.kill()
        drain.join(10)
