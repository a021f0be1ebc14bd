"""A webhook's other end: an HTTP server in a process of its own that answers as its path says.

/take        204, and the request is appended to a file, a line of JSON each
/fail        500        /gone   410        /moved  302 to /take        /hang   never
/flaky/N     500 for the first N requests, then as /take
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

KEPT = Path(sys.argv[1])
ANSWERS = {"fail": 500, "gone": 410, "moved": 302}
_lock = threading.Lock()
_seen: dict[str, int] = {}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        name, _, argument = urlsplit(self.path).path.strip("/").partition("/")
        with _lock:
            _seen[self.path] = seen = _seen.get(self.path, 0) + 1
        if name == "hang":
            threading.Event().wait(3600)
        status = ANSWERS.get(name, 204)
        if name == "flaky" and seen <= int(argument):
            status = 500
        request = {
            "path": self.path,
            "status": status,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": body.decode(),
        }
        with _lock, KEPT.open("a", encoding="utf-8") as file:
            file.write(json.dumps(request) + "\n")
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/take")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
