"""What Prometheus is told: names, types, labels, and values."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_parts import Site, add_document, hold, stand

from syncd.web.metrics import CONTENT_TYPE, TABLE, Metrics


def _used(metrics: Metrics) -> None:
    """Everything that can be counted happens once."""
    metrics.event("docs", "uploaded")
    metrics.event("docs", "verified")
    metrics.searchable("docs", 4.0)
    metrics.verdict("docs", "found", 2)
    metrics.verdict("docs", "missing", None)
    metrics.error("unavailable")
    metrics.scanned("docs", 0.2, 1_800_000_000.0, 7, True)
    metrics.watch("docs", "poll")
    metrics.overflow("docs")
    metrics.config_reload(True, 1_800_000_000.0)
    metrics.server(False)
    metrics.paused(True)


def _samples(metrics: Metrics) -> dict[str, float]:
    """Value by name and labels, as Prometheus reads them."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_the_table_is_the_export(site: Site) -> None:
    """Every metric of the table is exported with its type, its help and its labels, and none beside them."""
    site.service.write(lambda conn: add_document(conn, "a.md", "verified"))
    _used(site.metrics)
    families = {family.name: family for family in text_string_to_metric_families(site.metrics.text().decode())}
    assert {row.name.removesuffix("_total") for row in TABLE} == set(families)
    for row in TABLE:
        family = families[row.name.removesuffix("_total")]
        assert (row.kind, row.help) == (family.type, family.documentation), row.name
        assert family.samples, row.name
        for sample in family.samples:
            assert set(row.labels) == set(sample.labels) - {"le"}, row.name


def test_values(site: Site) -> None:
    """What happened is what is counted."""
    _used(site.metrics)
    found = _samples(site.metrics)
    expected = {
        "syncd_uploads_total{source=docs}": 1,
        "syncd_document_events_total{event=verified,source=docs}": 1,
        "syncd_save_to_searchable_seconds_bucket{le=3.0,source=docs}": 0,
        "syncd_save_to_searchable_seconds_bucket{le=5.0,source=docs}": 1,
        "syncd_search_rank_bucket{le=1.0,source=docs}": 0,
        "syncd_search_rank_bucket{le=2.0,source=docs}": 1,
        "syncd_search_rank_count{source=docs}": 1,  # a probe that found nothing has no rank
        "syncd_proofs_total{source=docs,verdict=missing}": 1,
        "syncd_proofs_total{source=docs,verdict=shared}": 0,
        "syncd_errors_total{kind=unavailable}": 1,
        "syncd_watch_mode{mode=poll,source=docs}": 1,
        "syncd_watch_mode{mode=events,source=docs}": 0,
        "syncd_watch_overflows_total{source=docs}": 1,
        "syncd_files{source=docs}": 7,
        "syncd_last_scan_timestamp_seconds{source=docs}": 1_800_000_000.0,
        "syncd_server_up{}": 0,
        "syncd_paused{}": 1,
        "syncd_config_last_reload_successful{}": 1,
    }
    assert expected == {name: found[name] for name in expected}


def test_a_look_at_a_few_paths_is_no_scan(site: Site) -> None:
    """Only looks at whole sources count as scans."""
    site.metrics.scanned("docs", 0.2, 1.0, 1, False)
    assert not any("scan" in name and "docs" in name for name in _samples(site.metrics))


def test_counters_begin_at_zero(site: Site) -> None:
    """As soon as a source is watched its counters stand at 0, so that the first event is an increase."""
    site.metrics.watch("docs", "events")
    found = _samples(site.metrics)
    assert 0 == found["syncd_uploads_total{source=docs}"]
    assert 0 == found["syncd_proofs_total{source=docs,verdict=missing}"]
    assert 0 == found["syncd_save_to_searchable_seconds_count{source=docs}"]


def test_documents_by_state_from_the_ledger(site: Site) -> None:
    """Each state has its series, with the count that `ls` would show; holds are counted by source."""
    states = ("waiting", "uploading", "indexing", "proving", "verified", "verified", "held", "quarantined", "retired")

    def fill(conn: object) -> None:
        for number, state in enumerate(states):
            add_document(conn, f"{number}.md", state)  # type: ignore[arg-type]

    site.service.write(fill)
    stand(site.service, [hold("a.md", "b.md")])
    found = _samples(site.metrics)
    for state in set(states):
        assert states.count(state) == found[f"syncd_documents{{source=docs,state={state}}}"], state
    assert 1 == found["syncd_holds{source=docs}"]
    stand(site.service, [])
    assert 0 == _samples(site.metrics)["syncd_holds{source=docs}"]


def test_a_state_without_documents_is_zero(site: Site) -> None:
    """A state that nothing is in is exported as 0: a series that vanishes cannot be alerted on."""
    site.service.write(lambda conn: add_document(conn, "a.md", "verified"))
    assert 0 == _samples(site.metrics)["syncd_documents{source=docs,state=quarantined}"]


def test_sizes_and_ages(site: Site) -> None:
    """The size is that of the ledger's files; what waits is asked of those who know."""
    site.service.write(lambda conn: add_document(conn, "a.md", "verified"))
    site.metrics.oldest = lambda _conn: 12.5
    site.metrics.under_way, site.metrics.waiting = lambda: 3, lambda: 4
    found = _samples(site.metrics)
    path = site.service.ledger.path
    wal = path.with_name(path.name + "-wal")
    assert wal.stat().st_size > 0
    size = path.stat().st_size + wal.stat().st_size
    assert size == found["syncd_ledger_bytes{}"]
    assert (12.5, 3, 4) == tuple(
        found[f"syncd_queue_{name}{{}}"] for name in ("oldest_age_seconds", "documents", "paths")
    )


def test_before_the_ledger_is_there() -> None:
    """Asked before the service has its ledger, what is counted is told and the rest left out."""
    metrics = Metrics()
    names = {name.partition("{")[0] for name in _samples(metrics)}
    assert "syncd_server_up" in names
    assert "syncd_documents" not in names


def test_all_values_are_numbers(site: Site) -> None:
    """No value is missing or infinite."""
    _used(site.metrics)
    assert all(math.isfinite(value) for value in _samples(site.metrics).values())


def test_no_series_per_file(make_site: Callable[..., Site]) -> None:
    """A thousand documents give as many series as one."""

    def fill(conn: object, number: int) -> None:
        for index in range(number):
            add_document(conn, f"{index}.md", "verified")  # type: ignore[arg-type]

    one, many = make_site(), make_site()
    one.service.write(lambda conn: fill(conn, 1))
    many.service.write(lambda conn: fill(conn, 1000))
    assert set(_samples(one.metrics)) == set(_samples(many.metrics))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing(site: Site) -> None:
    """`promtool check metrics` accepts all of it without a remark."""
    site.service.write(lambda conn: add_document(conn, "a.md", "verified"))
    _used(site.metrics)
    checked = subprocess.run(["promtool", "check", "metrics"], input=site.metrics.text(), capture_output=True)
    assert (0, b"", b"") == (checked.returncode, checked.stdout, checked.stderr)


def test_over_http(site: Site) -> None:
    """`/metrics` is open, says its format, and asks for the name it is called by only where that is known."""
    answer = site.ask("GET", "/metrics")
    assert (200, CONTENT_TYPE) == (answer.status_code, answer.headers["content-type"])
    assert "syncd_build_info" in answer.text
    assert 403 == site.ask("GET", "/metrics", headers={"host": "evil.example"}).status_code


def test_over_http_from_everywhere(make_site: Callable[..., Site]) -> None:
    """A server that listens for others is scraped by whatever name it has there."""
    site = make_site(listen="0.0.0.0")  # noqa: S104 - nothing is bound
    assert 200 == site.ask("GET", "/metrics", headers={"host": "syncd.monitoring.svc:8321"}).status_code
