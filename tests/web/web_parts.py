"""What the tests of the status server share: a ledger with rows in every state, and a service that is a plain class."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from syncd import standing
from syncd.config import Config, FastGPT, Http, LedgerConfig, Schedule, Secret, Source
from syncd.errors import SyncdError
from syncd.firewall import name_of
from syncd.ledger import Ledger, records
from syncd.models import Hold, HoldReason, RevisionId
from syncd.web.app import make
from syncd.web.facts import Facts
from syncd.web.guard import COOKIE, Guard
from syncd.web.metrics import Metrics
from syncd.web.stream import Stream

TOKEN = "open-sesame-0123456789"
KEY = "fastgpt-key-that-nobody-must-see"
HOSTILE = (
    "<script>alert(1)</script>.md",
    '"><img src=x onerror=alert(2)>.md',
    "evil\u202egnp.md",
    "line\nbreak\x1b[31m.md",
    "{{ 7*7 }}.md",
    "]]>&amp;'.md",
)
_UNDER_WAY = ("uploading", "indexing", "proving")


def add_document(
    conn: sqlite3.Connection, path: str, state: str, *, source: str = "docs", at: float = 0.0, message: str = ""
) -> int:
    """One document in a state of `ls`; returns its row's number."""
    conn.execute("insert or ignore into sources (name) values (?)", (source,))
    conn.execute("insert or ignore into directories (source, path) values (?, x'')", (source,))
    directory = conn.execute("select id from directories where source = ?", (source,)).fetchone()[0]
    given_up = state == "quarantined"
    number = conn.execute(
        "insert into documents (uuid, source, path, directory, disk_name, sha256, first_seen_at, note, quarantine,"
        " quarantine_message, quarantine_since) values (?, ?, ?, ?, ?, 'ab', ?, ?, ?, ?, ?) returning id",
        (
            str(uuid.uuid4()),
            source,
            path,
            directory,
            path.encode(),
            at,
            state if state in ("waiting", "held") else None,
            "parse-failed" if given_up else None,
            message,
            at if given_up else None,
        ),
    ).fetchone()[0]
    if state in (*_UNDER_WAY, "verified", "retired"):
        add_revision(conn, number, state, at)
    return int(number)


def add_revision(conn: sqlite3.Connection, document: int, state: str, at: float) -> str:
    """One revision; returns its id."""
    revision = str(uuid.uuid4())
    conn.execute(
        "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, collection_id, created_at)"
        " values (?, ?, 'ab', '', ?, 'a', 'd', ?, ?)",
        (revision, document, state, revision[:24], at),
    )
    return revision


def add_proof(conn: sqlite3.Connection, revision: str, at: float, *ranks: int | None, verdict: str = "found") -> None:
    """One proof with a probe for each rank."""
    number = conn.execute(
        "insert into proofs (revision, at, passed) values (?, ?, 1) returning id", (revision, at)
    ).fetchone()[0]
    conn.executemany(
        "insert into probe_results (proof, query, mode, verdict, rank) values (?, 'q', 'm', ?, ?)",
        [(number, verdict if rank else "missing", rank) for rank in ranks],
    )


def add_event(conn: sqlite3.Connection, path: str, event: str, at: float, detail: str = "") -> None:
    """One line of history."""
    conn.execute(
        "insert into events (at, source, path, event, detail) values (?, 'docs', ?, ?, ?)", (at, path, event, detail)
    )


def verified(conn: sqlite3.Connection, path: str) -> str:
    """One document that serves; returns its revision."""
    number = add_document(conn, path, "waiting")
    return add_revision(conn, number, "verified", 0.0)


def hold(
    *paths: str, reason: HoldReason = HoldReason.LIMIT, releasable: bool = True, revisions: Sequence[str] = ()
) -> Hold:
    """Deletions of ``docs`` that are held."""
    message = f"{len(paths)} deletions, more than max_count = 1"
    name = name_of("docs", reason, revisions or paths)
    return Hold("docs", reason, releasable, paths, time.time(), message, 0, name, tuple(map(RevisionId, revisions)))


class Service:
    """What the status server asks, answered without a service.

    Attributes:
        acted: what was asked for.
        fails: raised by whatever is asked for next.
        said: what the service says of itself.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(folder / "ledger.db")
        self.config = Config(
            path=folder / "config.toml",
            fastgpt=FastGPT(base_url="http://fastgpt/api", api_key=Secret(KEY), api_key_origin="test"),
            ledger=LedgerConfig(path=folder / "ledger.db"),
            schedule=Schedule(),
            http=Http(token=Secret(TOKEN)),
            sources=(Source(name="docs", path=folder / "docs", dataset="Handbook"),),
        )
        self.acted: list[tuple[str, dict[str, Any]]] = []
        self.searched: list[tuple[str, str]] = []
        self.hits: list[dict[str, Any]] = []
        self.fails: Exception | None = None
        self.alive, self.begun = True, True
        self.said: dict[str, Any] = {
            "running": True,
            "started_at": "2026-11-20T08:00:00.000Z",
            "watch": {"docs": {"mode": "events", "reason": "inotify on ext4"}},
            "server": {"state": "ok", "message": "", "hint": "", "since": None},
            "next": {"scan": "2100-01-01T00:00:00.000Z"},
            "schedule": {"scan": "every 15 min"},
            "troubles": {},
            "config": {"path": "config.toml", "loaded_at": None, "refused": None},
            "under_way": 0,
            "waiting": 0,
        }
        self.paused: str | None = None
        self.queries: list[str] = []

    def live(self) -> tuple[bool, str]:
        return self.alive, "alive" if self.alive else "stuck: scan 7"

    def ready(self) -> tuple[bool, str]:
        return self.begun, "ready" if self.begun else "the first look at docs is not done"

    def sources(self) -> list[str]:
        return [source.name for source in self.config.sources]

    def service(self) -> dict[str, Any]:
        return dict(self.said)

    def status(self, conn: sqlite3.Connection, service: dict[str, Any]) -> dict[str, Any]:
        said = {**service, "paused": None if self.paused is None else {"since": self.paused}}
        return {"schema": "syncd.status/1", **standing.document(self.config, conn, self.ledger.id, said)}

    def conn(self) -> sqlite3.Connection:
        conn = self.ledger.reader()
        conn.set_trace_callback(self.queries.append)
        return conn

    async def search(self, source: str, query: str) -> list[dict[str, Any]]:
        self._fail()
        self.searched.append((source, query))
        return self.hits

    async def act(self, kind: str, arguments: dict[str, Any]) -> str:
        self._fail()
        self.acted.append((kind, arguments))
        return f"{kind}: <done>"

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails

    def write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Change the ledger in one transaction."""
        with self.ledger.transaction("test") as conn:
            change(conn)


class NotNow(SyncdError):
    """A refusal of the service."""

    exit_code = 6
    code = "not-possible"


class Site:
    """The status server's application over a service, asked without a socket."""

    def __init__(self, folder: Path, *, listen: str = "127.0.0.1", token: str = TOKEN, hosts: tuple[str, ...] = ()):
        self.service = Service(folder)
        self.guard = Guard(listen, Secret(token), hosts)
        self.stream = Stream()
        self.metrics = Metrics()
        self.metrics.conn = self.service.conn
        self.client_host = "127.0.0.1"

    def run(self, body: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
        """Run ``body`` with a client."""

        async def go() -> Any:
            facts = Facts(self.service)
            app = make(self.service, self.metrics, self.guard, self.stream, facts)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(self.client_host, 1234))
            try:
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8321") as client:
                    return await body(client)
            finally:
                facts.close()

        return asyncio.run(go())

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request."""

        async def one(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(method, path, **more)

        answer = self.run(one)
        assert isinstance(answer, httpx.Response)
        return answer

    def close(self) -> None:
        """Close the ledger."""
        self.service.ledger.close()


def with_token(**more: str) -> dict[str, str]:
    """Headers of somebody who knows the token."""
    return {"authorization": f"Bearer {TOKEN}", **more}


def logged_in(site: Site) -> dict[str, str]:
    """Headers of a browser whose user has shown the token."""
    return {"cookie": f"{COOKIE}={site.guard.session(time.time())}"}


def stand(service: Service, holds: list[Hold]) -> None:
    """Have these holds stand."""
    service.write(lambda conn: records.store_holds(conn, "docs", holds, time.time()))


def count(service: Service, table: str) -> int:
    """Rows of a table."""
    with closing(service.ledger.reader()) as conn:
        return int(conn.execute(f"select count(*) from {table}").fetchone()[0])
