"""`syncd run` under `kill -9` at random moments, while files change and the server fails by chance (T15)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import exercised
import pytest
from cli_site import Server, Site, start_server, stop_server
from laws import no_gap
from service_site import Seen, Service, running, wait_until

CHAOS = "429:0.02,500:0.03,reset:0.02,502:0.02"
SITES = 4
MANY = 200  # stories of the long run
KILLS = int(os.environ.get("SYNCD_TEST_KILLS", "20")) // SITES
CONVERGES = 150.0  # seconds; an upload with an unknown outcome alone is looked for over 30
ORDINARY = 'max_percent = "100%"\ngrace = "1h"'


@pytest.fixture(scope="module")
def chaotic() -> Iterator[Server]:
    """A server that fails now and then."""
    process, server = start_server("--chaos", CHAOS, "--seed", "7")
    yield server
    stop_server(process)


def sentence(rng: random.Random) -> str:
    """A text that no other document has."""
    animals = rng.sample(("otters", "walruses", "petrels", "lemmings", "narwhals", "puffins", "stoats", "ravens"), 3)
    number = rng.randrange(10**9)
    return f"# Report {number}\n\nIn year {number} {animals[0]} met {animals[1]} and {animals[2]} near buoy {number}.\n"


def change(site: Site, rng: random.Random) -> None:
    """One change as a person would make it: an edit, a new file, a move, a removal."""
    files = sorted(path for path in site.docs.rglob("*.md"))
    match rng.choice(("edit", "edit", "new", "move", "remove")) if len(files) > 4 else "new":
        case "edit":
            rng.choice(files).write_text(sentence(rng))
        case "new":
            target = site.docs / rng.choice((".", "a", "a/b")) / f"n{rng.randrange(10**6)}.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(sentence(rng))
        case "move":
            rng.choice(files).rename(site.docs / f"m{rng.randrange(10**6)}.md")
        case "remove":
            rng.choice(files).unlink()


def survive(place: Path, server: Server, seed: int) -> int:
    """Kill one site's service again and again; then let one live, and wait until disk and server are equal."""
    rng = random.Random(seed)
    place.mkdir()
    site = Site(place, server=server, delete=ORDINARY)
    for number in range(6):
        site.write(f"d{number}.md", sentence(rng))
    for _ in range(KILLS):
        service = Service(site)
        for _ in range(rng.randrange(1, 4)):
            time.sleep(rng.uniform(0.1, 1.2))  # the moment of the change and of the kill, not a synchronisation
            change(site, rng)
        assert service.process.poll() is None, f"seed {seed}: it ended by itself\n{service.tail()}"
        service.process.kill()
        service.process.wait(60)
    with running(site) as service:
        service.in_step(CONVERGES)
        wait_until(lambda: settled(site), f"seed {seed}: every document is verified", CONVERGES)
        assert 0 == service.end()
    assert site.expected() == site.visible()
    no_gap(Seen(site))
    return KILLS


def settled(site: Site) -> bool:
    """Whether nothing is under way any more, by the ledger."""
    rows = site.run("ls", "--json", code=0).json["documents"]
    return {"verified"} == {row["state"] for row in rows if row["path"] in site.expected()}


@pytest.mark.timeout(600)
def test_a_killed_service_converges(tmp_path: Path, chaotic: Server) -> None:
    """However often it is killed, the next one goes on, and in the end the server shows what is on the disk."""
    with ThreadPoolExecutor(SITES) as pool:
        kills = sum(pool.map(lambda seed: survive(tmp_path / f"s{seed}", chaotic, seed), range(SITES)))

    assert KILLS * SITES == kills
    exercised.add("kill -9 of the service, with files changing and a failing server", kills)
    exercised.add("faults by chance meanwhile", sum(chaotic.admin("faults")["struck"].values()))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", range(MANY // SITES))
def test_many_stories_of_kills(tmp_path: Path, block: int) -> None:
    """The same for two hundred stories: what is seen once in a hundred of them is broken as well."""
    process, server = start_server("--chaos", CHAOS, "--seed", str(block))
    try:
        with ThreadPoolExecutor(SITES) as pool:
            seeds = range(1000 + block * SITES, 1000 + (block + 1) * SITES)
            kills = sum(pool.map(lambda seed: survive(tmp_path / f"s{seed}", server, seed), seeds))
    finally:
        stop_server(process)

    exercised.add("kill -9 of the service, with files changing and a failing server", kills)
    exercised.add("stories of kills", SITES)
