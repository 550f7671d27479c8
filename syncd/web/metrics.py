"""What Prometheus is told. One registry of its own; no metric has a label per file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from syncd import __version__
from syncd.ledger import quality, records, remote

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Described(NamedTuple):
    """One metric as it is documented."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


TABLE: tuple[Described, ...] = (
    Described("syncd_build_info", "gauge", ("version",), "1, with the version of the program."),
    Described("syncd_documents", "gauge", ("source", "state"), "Documents by state."),
    Described("syncd_ledger_bytes", "gauge", (), "Size of the ledger with its write-ahead log."),
    Described("syncd_document_events_total", "counter", ("source", "event"), "What happened to documents."),
    Described("syncd_uploads_total", "counter", ("source",), "Documents that were uploaded."),
    Described("syncd_proofs_total", "counter", ("source", "verdict"), "Probes by verdict."),
    Described("syncd_search_rank", "histogram", ("source",), "Rank at which probes found their document."),
    Described(
        "syncd_save_to_searchable_seconds",
        "histogram",
        ("source",),
        "From hearing of a change until search found the document.",
    ),
    Described("syncd_errors_total", "counter", ("kind",), "Errors by kind, of the server and of documents."),
    Described("syncd_scan_seconds", "histogram", ("source",), "Duration of looks at a whole source."),
    Described(
        "syncd_last_scan_timestamp_seconds", "gauge", ("source",), "When a source was last looked at as a whole."
    ),
    Described("syncd_files", "gauge", ("source",), "Files in scope at the last look at the whole source."),
    Described("syncd_watch_mode", "gauge", ("source", "mode"), "1 for the way in which changes are noticed."),
    Described("syncd_watch_overflows_total", "counter", ("source",), "How often the kernel dropped events."),
    Described("syncd_queue_documents", "gauge", (), "Documents that are worked on."),
    Described("syncd_queue_paths", "gauge", (), "Changed paths that wait to come to rest."),
    Described("syncd_queue_oldest_age_seconds", "gauge", (), "Age of the oldest document that waits or is worked on."),
    Described("syncd_server_up", "gauge", (), "1 while FastGPT answers."),
    Described("syncd_source_up", "gauge", ("source",), "1 while a source can be served."),
    Described("syncd_ledger_up", "gauge", (), "1 while the ledger takes what is written."),
    Described("syncd_http_wrong_tokens_total", "counter", (), "Wrong tokens shown to the status page."),
    Described("syncd_http_dropped_total", "counter", ("reason",), "Connections that were closed: crowded or slow."),
    Described("syncd_paused", "gauge", (), "1 while a person has the service pause."),
    Described("syncd_holds", "gauge", ("source",), "Reasons for which deletions of a source are held."),
    Described("syncd_config_last_reload_successful", "gauge", (), "1 if the newest configuration is in force."),
    Described("syncd_config_last_reload_timestamp_seconds", "gauge", (), "When the configuration was last read."),
)

_HELP = {row.name: row for row in TABLE}
_MODES = ("events", "poll", "off")
_STATES = ("waiting", "uploading", "indexing", "proving", "verified", "quarantined", "held", "retired")
_VERDICTS = ("found", "shared", "outranked", "missing")
_RANKS = (1, 2, 3, 5, 10, 20, 50)
_SAVE_TO_SEARCH = (1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 900, 3600)
_SCAN = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class _FromLedger:
    """What the ledger and the service know at the time they are asked."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        if metrics.conn is None:
            return
        with closing(metrics.conn()) as conn:
            documents, holds, held = _gauge("syncd_documents"), _gauge("syncd_holds"), quality.held(conn)
            for source in remote.source_names(conn):
                # Every state has its series, so that one which becomes 0 does not just vanish.
                counts = {**dict.fromkeys(_STATES, 0), **records.counts_by_state(conn, source)}
                for state, count in counts.items():
                    documents.add_metric([source, state], count)
                holds.add_metric([source], held.get(source, 0))
            age = _gauge("syncd_queue_oldest_age_seconds")
            age.add_metric([], metrics.oldest(conn))
            size = _gauge("syncd_ledger_bytes")
            size.add_metric([], _bytes(conn))
        yield from (documents, holds, age, size)
        for name, read in (("syncd_queue_documents", metrics.under_way), ("syncd_queue_paths", metrics.waiting)):
            gauge = _gauge(name)
            gauge.add_metric([], read())
            yield gauge


def _gauge(name: str) -> GaugeMetricFamily:
    row = _HELP[name]
    return GaugeMetricFamily(name, row.help, labels=row.labels)


def _bytes(conn: sqlite3.Connection) -> float:
    path = str(conn.execute("pragma database_list").fetchone()[2])
    total = 0
    for file in (path, path + "-wal"):
        with suppress(OSError):
            total += os.stat(file).st_size
    return float(total)


class Metrics:
    """Counts what happens.

    Attributes:
        conn: opens the ledger for reading, once the service runs.
        oldest: age of the oldest waiting document, asked of the ledger.
        under_way: how many documents are worked on.
        waiting: how many paths wait to come to rest.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one series more for each counter, and nobody reads them
        self.registry = CollectorRegistry(auto_describe=False)
        self.conn: Callable[[], sqlite3.Connection] | None = None
        self.oldest: Callable[[sqlite3.Connection], float] = lambda _conn: 0.0
        self.under_way: Callable[[], int] = lambda: 0
        self.waiting: Callable[[], int] = lambda: 0
        self._gauges = {
            row.name: Gauge(row.name, row.help, row.labels, registry=self.registry) for row in TABLE if row.name in _SET
        }
        self._counters = {
            row.name: Counter(row.name, row.help, row.labels, registry=self.registry)
            for row in TABLE
            if row.kind == "counter"
        }
        self._known: set[str] = set()  # sources whose gauges have begun
        self._rank = self._histogram("syncd_search_rank", _RANKS)
        self._searchable = self._histogram("syncd_save_to_searchable_seconds", _SAVE_TO_SEARCH)
        self._scan = self._histogram("syncd_scan_seconds", _SCAN)
        for reason in ("crowded", "slow"):
            self._counters["syncd_http_dropped_total"].labels(reason)
        self._gauges["syncd_build_info"].labels(__version__).set(1)
        self._gauges["syncd_server_up"].set(1)
        self._gauges["syncd_ledger_up"].set(1)
        self.registry.register(_FromLedger(self))

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        row = _HELP[name]
        return Histogram(row.name, row.help, row.labels, registry=self.registry, buckets=buckets)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def event(self, source: str, event: str) -> None:
        """Something happened to a document."""
        self._counters["syncd_document_events_total"].labels(source, event).inc()
        if event == "uploaded":
            self._counters["syncd_uploads_total"].labels(source).inc()

    def searchable(self, source: str, seconds: float) -> None:
        """A change was searchable so many seconds after it was heard of."""
        self._searchable.labels(source).observe(seconds)

    def verdict(self, source: str, verdict: str, rank: int | None) -> None:
        """One probe ended."""
        self._counters["syncd_proofs_total"].labels(source, verdict).inc()
        if rank is not None:
            self._rank.labels(source).observe(rank)

    def error(self, kind: str) -> None:
        """One error, by its code."""
        self._counters["syncd_errors_total"].labels(kind).inc()

    def scanned(self, source: str, seconds: float, at: float, files: int, whole: bool) -> None:
        """A look at the disk ended; only those at a whole source are measured."""
        if whole:
            self._scan.labels(source).observe(seconds)
            self._gauges["syncd_last_scan_timestamp_seconds"].labels(source).set(at)
            self._gauges["syncd_files"].labels(source).set(files)

    def watch(self, source: str, mode: str) -> None:
        """How a source is watched now; its counters begin at 0 from here on, so that the first event is an increase."""
        for name in ("syncd_uploads_total", "syncd_watch_overflows_total"):
            self._counters[name].labels(source)
        if source not in self._known:
            self._known.add(source)
            self.source(source, True)
        for verdict in _VERDICTS:
            self._counters["syncd_proofs_total"].labels(source, verdict)
        for histogram in (self._rank, self._searchable, self._scan):
            histogram.labels(source)
        for one in _MODES:
            self._gauges["syncd_watch_mode"].labels(source, one).set(one == mode)

    def overflow(self, source: str) -> None:
        """The kernel has dropped events."""
        self._counters["syncd_watch_overflows_total"].labels(source).inc()

    def config_reload(self, ok: bool, at: float) -> None:
        """The configuration was read."""
        self._gauges["syncd_config_last_reload_successful"].set(ok)
        if ok:
            self._gauges["syncd_config_last_reload_timestamp_seconds"].set(at)

    def server(self, up: bool) -> None:
        """FastGPT answers, or does not."""
        self._gauges["syncd_server_up"].set(up)

    def wrong_token(self) -> None:
        """Somebody showed the status page a wrong token."""
        self._counters["syncd_http_wrong_tokens_total"].inc()

    def dropped(self, reason: str) -> None:
        """A connection had to go."""
        self._counters["syncd_http_dropped_total"].labels(reason).inc()

    def source(self, name: str, up: bool) -> None:
        """A source can be served, or not."""
        self._gauges["syncd_source_up"].labels(name).set(up)

    def ledger(self, up: bool) -> None:
        """The ledger takes what is written, or does not."""
        self._gauges["syncd_ledger_up"].set(up)

    def paused(self, paused: bool) -> None:
        """A person has the service pause."""
        self._gauges["syncd_paused"].set(paused)


_READ = frozenset(
    {
        "syncd_documents",
        "syncd_holds",
        "syncd_queue_documents",
        "syncd_queue_paths",
        "syncd_queue_oldest_age_seconds",
        "syncd_ledger_bytes",
    }
)
_SET = frozenset(row.name for row in TABLE if row.kind == "gauge") - _READ
