"""
A real PostgreSQL for tests: made in a folder of its own, reached by a socket in it, gone at the end.

    with Server() as server:
        url = server.new_database()
        server.stop()      # as in the middle of the night
        server.start()     # the same databases are there again
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self

import psycopg
from sqlalchemy import make_url

MISSING = "PostgreSQL is not installed: apt-get install postgresql"
PATIENCE = 30.0
"""Seconds in which the server must be up, or down."""

_WATCH = '"$@" & server=$!; cat > /dev/null; kill -INT $server 2> /dev/null; wait $server'
"""Runs the server until the standard input ends: it does not outlive the tests, however they end."""
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "timezone": "Asia/Kathmandu",  # nothing may depend on it
    "log_min_messages": "fatal",
}


def binaries() -> Path | None:
    """Return the folder with initdb and postgres, None where PostgreSQL is not installed."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    if shutil.which("pg_config") is not None:
        told = Path(
            subprocess.run(
                ["pg_config", "--bindir"], check=True, capture_output=True, text=True
            ).stdout.strip()
        )
        if (told / "initdb").exists():
            return told
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3])
    )
    return versions[-1].parent if versions else None


class Server:
    """
    One server with databases that nobody else uses; fsync is on.

    Raises RuntimeError where PostgreSQL is not installed.
    """

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            raise RuntimeError(MISSING)
        self._binaries = found
        self._owner = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="fencepost-postgresql-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"test{number}" for number in count(1))
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        self._run(
            "initdb", "-D", str(self._data), "-U", "fencepost", "-A", "trust", "-E", "UTF8", "--no-sync"
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        server = [str(self._binaries / "postgres"), "-D", str(self._data), "-k", str(self._folder), *settings]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _WATCH, "sh", *server],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._as_owner(),
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server: it ends all sessions, or, `immediate`, drops dead and must recover."""
        if self._process is None:
            return
        if how == "immediate":
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "immediate")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process = None

    def url(self, database: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql+psycopg://fencepost@/{database}?host={self._folder}"

    def new_database(self, *options: str) -> str:
        """Make an empty database and return its URL; `options` are those of CREATE DATABASE."""
        name = next(self._names)
        with self.connection() as connection:
            connection.execute(f"CREATE DATABASE {name} {' '.join(options)}".encode())
        return self.url(name)

    def empty(self, url: str) -> None:
        """Take away everything that is in a database: sooner done than a new one is made."""
        self.hang_up(url)
        with self.connection(str(make_url(url).database)) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def hang_up(self, url: str) -> None:
        """End all sessions of a database, as a firewall does; what they had not committed is gone."""
        query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        with self.connection() as connection:
            connection.execute(query, [make_url(url).database])

    def connection(self, database: str = "postgres") -> psycopg.Connection:
        """Return a connection beside all that is under test; it commits every statement."""
        return psycopg.connect(host=str(self._folder), user="fencepost", dbname=database, autocommit=True)

    def close(self) -> None:
        """Stop the server and take everything away."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answers(self) -> bool:
        try:
            self.connection().close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self._folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            **self._as_owner(),
        )

    def _as_owner(self) -> dict[str, Any]:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom to be, for PostgreSQL refuses root; None where we are nobody special."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")
