"""Real processes under `kill -9`, at every named point and at random, each followed by one ordinary `syncd sync`."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import exercised
import pytest
from cli_site import Site, server
from world import World

from syncd import points

AT_ONCE = 12  # after some kills the next pass looks half a minute for an upload that may have arrived
DELETE = 'grace = "0s"\nmax_percent = "100%"'


def passed_points(tmp: Path) -> list[str]:
    """Every named point that the scenario below passes, in order of the first passage, read off a run in process."""
    seen: dict[str, None] = {}
    world = World(tmp)
    points.install(lambda name: seen.setdefault(name))
    try:
        for path, text in first_documents().items():
            world.write(path, text)
        world.sync()
        world.write("a.md", changed("a"))
        world.remove("sub/b.md")
        world.sync()
    finally:
        points.install(None)
    return [name for name in seen if not name.startswith("ledger.migrate")]


def first_documents() -> dict[str, str]:
    """Three documents, one of them in a folder, one Chinese."""
    return {
        "a.md": "# Otters\n\nOtters hold hands while they sleep, so that the river does not part them.\n",
        "sub/b.md": "# Walruses\n\nWalruses rest on the ice and use their long teeth to climb out of the sea.\n",
        "说明.md": "# 说明\n\n水獭在睡觉的时候手拉着手，这样河水就不会把它们冲散。\n",
    }


def changed(name: str) -> str:
    """Another version of a document."""
    return f"# Second edition of {name}\n\nOtters use stones as tools and keep their favourite one in a pocket.\n"


def site_for(tmp: Path, name: str) -> Site:
    """A folder of its own with the first documents."""
    place = tmp / name
    place.mkdir()
    site = Site(place, delete=DELETE)
    for path, text in first_documents().items():
        site.write(path, text)
    return site


def killed(site: Site, point: str) -> bool:
    """Run `sync` until the point; returns whether it was killed there."""
    result = site.run("sync", "-q", SYNCD_CRASH_AT=point)
    return result.code == -signal.SIGKILL


def check_point(tmp: Path, number: int, point: str) -> str:
    """Kill at one point, in the first pass if it is passed there, else in the second; then one ordinary pass."""
    site = site_for(tmp, f"kill-{number}")
    died = killed(site, point)
    if not died:
        site.write("a.md", changed("a"))
        (site.docs / "sub" / "b.md").unlink()
        died = killed(site, point)
    assert died, f"{point} was not passed by a real process"
    after = site.run("sync", "-q")
    assert (point, 0) == (point, after.code), after.out + after.err
    assert (point, site.expected()) == (point, site.visible())
    return point


@pytest.mark.timeout(600)
def test_killed_at_every_named_point(tmp_path: Path) -> None:
    """A process that is killed at any named point is made good by one ordinary pass."""
    (tmp_path / "model").mkdir()
    names = passed_points(tmp_path / "model")
    server()  # one for all threads

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda item: check_point(tmp_path, *item), enumerate(names)))

    assert names == done
    exercised.add("kill -9 at named points (real processes)", len(done))


def check_random(tmp: Path, seed: int) -> int:
    """Kill one site's passes at random moments while its files change; then one ordinary pass."""
    rng = random.Random(seed)
    site = site_for(tmp, f"random-{seed}")
    kills = 0
    for _ in range(2):
        with (tmp / "output").open("ab") as out:
            process = site.start("sync", "-q", stdout=out, stderr=out)
        time.sleep(rng.uniform(0.2, 2.5))  # the moment of the kill, not a synchronisation
        process.kill()
        kills += process.wait(60) == -signal.SIGKILL
        site.write("a.md", changed(str(rng.random())))
        site.write(f"new-{rng.randint(0, 99)}.md", changed(str(rng.random())))
    after = site.run("sync", "-q")
    assert (seed, 0) == (seed, after.code), after.out + after.err
    assert (seed, site.expected()) == (seed, site.visible())
    return kills


@pytest.mark.timeout(600)
def test_killed_at_random(tmp_path: Path) -> None:
    """A process that is killed at any moment is made good by one ordinary pass."""
    server()  # one for all threads
    with ThreadPoolExecutor(AT_ONCE) as pool:
        kills = sum(pool.map(lambda seed: check_random(tmp_path, seed), range(8)))

    assert kills > 0
    exercised.add("kill -9 at random (real processes)", kills)
