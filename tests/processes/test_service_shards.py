"""Several `syncd run` serve one folder (``SYNCD_SHARD``), and their number changes while files do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import exercised
import pytest
from cli_site import Site
from laws import no_gap
from service_site import Seen, Service, running, wait_until

DOCUMENTS = 24


def text(name: str) -> str:
    """A text that no other document has."""
    return f"# The {name}\n\nThe {name} stands beside the road to {name} and is painted in the colours of {name}.\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Some documents in three folders."""
    site = Site(tmp_path, delete='grace = "1h"\nmax_percent = "100%"')
    for number in range(DOCUMENTS):
        site.write(f"f{number % 3}/d{number}.md", text(f"milestone-{number}"))
    return site


@contextmanager
def shards(site: Site, total: int) -> Iterator[list[Service]]:
    """``total`` services, each with its own ledger, which it keeps for the next time."""
    with ExitStack() as stack:
        services = [
            stack.enter_context(
                running(site, SYNCD_SHARD=f"{index}/{total}", SYNCD_LEDGER__PATH=str(ledger(site, index)))
            )
            for index in range(total)
        ]
        yield services
        codes = [service.end() for service in services]
    assert [0] * total == codes


def ledger(site: Site, index: int) -> Path:
    """The ledger of one shard."""
    return site.tmp / f"state-{index}" / "ledger.db"


def served(site: Site, services: list[Service]) -> list[str]:
    """What every shard says that it has verified; in step when that is each path once."""
    found: list[str] = []
    for index, _ in enumerate(services):
        rows: list[dict[str, Any]] = site.run(
            "ls", "--json", code=0, SYNCD_LEDGER__PATH=str(ledger(site, index)), SYNCD_SHARD=f"{index}/{len(services)}"
        ).json["documents"]
        found += [row["path"] for row in rows if row["state"] == "verified"]
    return sorted(found)


def in_step(site: Site, services: list[Service]) -> None:
    """Wait until every document is served by exactly one shard, and shown once."""
    wait_until(lambda: served(site, services) == sorted(site.expected()), "each document has one shard", 60)
    services[0].in_step()


def uploads(site: Site) -> int:
    """Files of this site that ever reached the server."""
    rows = site.emulator.admin("timeline")
    created = {
        row["collection_id"]
        for row in rows
        if row["event"] == "created" and row["metadata"].get("syncd", {}).get("space") == site.space
    }
    return len(created)


@pytest.mark.timeout(300)
def test_together_they_do_the_work_of_one(site: Site) -> None:
    """Three shards upload each document once; with two, five and one of them no document is uploaded again."""
    totals = (3, 2, 5, 1)
    for total in totals:
        with shards(site, total) as services:
            in_step(site, services)
            wait_until(lambda services=services: all(looked(service) for service in services), "all have looked")
        assert DOCUMENTS == uploads(site)
        assert sorted(site.expected().items()) == site.shown()
    no_gap(Seen(site, *(ledger(site, index) for index in range(max(totals)))))
    exercised.add("services that were shards", sum(totals))


def looked(service: Service) -> bool:
    """Whether it has looked at the whole folder since it began."""
    return service.get("/readyz")[0] == 200


@pytest.mark.timeout(300)
def test_edits_moves_and_removals_while_they_run(site: Site) -> None:
    """What changes while several serve is uploaded once, shown once, taken away once, whoever's it is."""
    with shards(site, 3) as services:
        in_step(site, services)
        for number in range(6):
            (site.docs / f"f{number % 3}/d{number}.md").write_text(text(f"signpost-{number}"))
        for number in range(6, 9):
            (site.docs / f"f{number % 3}/d{number}.md").unlink()
        (site.docs / "new").mkdir()
        for number in range(4):
            (site.docs / "new" / f"n{number}.md").write_text(text(f"bridge-{number}"))
        in_step(site, services)
        assert DOCUMENTS + 6 + 4 == uploads(site)
    no_gap(Seen(site, *(ledger(site, index) for index in range(3))))


@pytest.mark.timeout(300)
def test_a_shard_is_killed_and_its_ledger_lost(site: Site) -> None:
    """What a lost shard served is adopted by its successor from the markers, without an upload and without a gap."""
    with shards(site, 2) as services:
        in_step(site, services)
    for file in ledger(site, 1).parent.iterdir():
        file.unlink()
    with shards(site, 2) as services:
        in_step(site, services)
    assert DOCUMENTS == uploads(site)
