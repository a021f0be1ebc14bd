"""A PostgreSQL server of the test run's own: Debian's binaries, a folder in /tmp, a free port of 127.0.0.1.

The service that Debian starts with its package is not used. PostgreSQL refuses to run as root, so under
root it runs as ``postgres`` or ``nobody``; it ends with the process that started it, however that ends.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import psycopg

BINARIES = Path("/usr/lib/postgresql")
PASSWORD = "s3cret/with:odd@letters"  # a test of errors looks for it
DATABASE = "postgres"
READY_SECONDS = 30
STOP_SECONDS = 30


class PostgresServer:
    """A running server with one user, ``ledger``, who is no superuser, and ledgers' schemas made on demand."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
        self.port = port
        self._process = process
        self._folder = folder
        self._numbers = itertools.count()

    @classmethod
    def start(cls) -> PostgresServer:
        """Initialise a folder and start a server on it, ready to be connected to."""
        folder = Path(tempfile.mkdtemp(prefix="fleetward-postgres-", dir="/tmp"))  # others may enter /tmp
        user = _user()
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        password = folder / "password"
        password.write_text(PASSWORD)
        shutil.chown(password, user.pw_uid, user.pw_gid)
        data, port = folder / "data", _free_port()
        initdb = [_binary("initdb"), "--pgdata", data, "--username", "admin", "--pwfile", password]
        initdb += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        subprocess.run(_as(user, initdb), check=True, capture_output=True, cwd="/")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",  # these tests kill processes, not machines
            "shared_buffers": "32MB",
            "autovacuum": "off",
            "max_connections": 60,
            "log_min_messages": "fatal",
        }
        server = [_binary("postgres"), "-D", data, *(f"--{name}={value}" for name, value in settings.items())]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(_as(user, server), stdout=log, stderr=log, cwd="/")
        started = cls(process, folder, port)
        try:
            started._prepare()
        except BaseException:
            started.stop()
            raise
        return started

    def new_database(self) -> str:
        """The URL of a new, empty ledger: a schema of the one database, since that takes no 7 MB each."""
        schema = f"ledger_{next(self._numbers)}"
        with self.admin() as connection:
            connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION ledger")
        password = urllib.parse.quote(PASSWORD, safe="")
        address = f"ledger:{password}@127.0.0.1:{self.port}/{DATABASE}"
        return f"postgresql+psycopg://{address}?options=-csearch_path%3D{schema}"

    def admin(self) -> psycopg.Connection:
        """A connection that may do anything; each statement is its own transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="admin", password=PASSWORD, dbname=DATABASE, autocommit=True
        )

    def end_sessions(self) -> int:
        """End every session of ``ledger``, whatever it is doing; how many there were."""
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'ledger'"
        with self.admin() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._process.send_signal(signal.SIGQUIT)  # "immediate": what it holds is thrown away
        self._process.wait(STOP_SECONDS)
        shutil.rmtree(self._folder)

    def _prepare(self) -> None:
        ends = time.monotonic() + READY_SECONDS
        while True:
            try:
                with self.admin() as connection:
                    connection.execute(f"CREATE ROLE ledger LOGIN PASSWORD '{PASSWORD}'")
                    return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError((self._folder / "log").read_text()) from None
            time.sleep(0.05)


def is_installed() -> bool:
    """Whether Debian's (or PGDG's) server package is here."""
    return any(BINARIES.glob("*/bin/postgres"))


def _binary(name: str) -> Path:
    """The newest version's."""
    found = sorted(BINARIES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return found[-1]


def _user() -> pwd.struct_passwd:
    """Who runs the server: not root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as(user: pwd.struct_passwd, command: Sequence[object]) -> list[str]:
    """The command as this user, and ended with this process (a wish that a change of user would cancel)."""
    words = ["setpriv", "--pdeathsig", "INT", *map(str, command)]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", *words]
    return words


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
