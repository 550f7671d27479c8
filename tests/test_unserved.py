"""Documents that cannot be looked at, or that changed while nothing can be sent: what is said of them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_site import Site
from service_site import wait_until

from syncd.unserved import Unserved, changed


def listed(site: Site) -> dict[str, Any]:
    """Path -> its row of `ls`."""
    return {row["path"]: row for row in site.run("ls", "--json", code=0).json["documents"]}


def source(site: Site) -> Any:
    """The one source of `status`."""
    return site.run("status", "--json", code=0).json["sources"][0]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two documents that serve."""
    made = Site(tmp_path)
    made.fill(2)
    made.run("sync", code=0)
    return made


@pytest.mark.parametrize("how", ["gone", "emptied"])
def test_a_folder_that_cannot_be_looked_at(site: Site, how: str) -> None:
    """Documents keep their last proven state, and beside it stands since when nobody has looked, and why."""
    seen_at = source(site)["last_scan_at"]
    away = site.tmp / "elsewhere"
    site.docs.rename(away)
    if how == "emptied":
        site.docs.mkdir()
    site.run("sync", code=6)
    reason = {"gone": "the folder is not there", "emptied": "the folder is empty"}[how]
    rows = listed(site)
    assert {row["state"] for row in rows.values()} == {"verified" if how == "gone" else "held"}
    for row in rows.values():
        assert (row["unserved"]["reason"], row["unserved"]["since"]) == (reason, seen_at)
        assert row["unserved"]["note"].startswith("not looked at since 20")
        assert row["note"].endswith(row["unserved"]["note"])
        assert row["serving"]["verified_at"]
    said = rows["otters.md"]["unserved"]["note"]
    assert site.run("ls", code=0).out.count(said) == 2
    assert f"2 documents as last proven, {said}" in site.run("status", code=0).out
    assert source(site)["unserved"] == rows["otters.md"]["unserved"]
    if how == "emptied":
        site.docs.rmdir()
    away.rename(site.docs)
    site.run("sync", code=0)
    assert {(row["note"], row["unserved"], row["state"]) for row in listed(site).values()} == {(None, None, "verified")}
    assert source(site)["unserved"] is None


def _asked(site: Site, dataset: str, method: str, route: str) -> Any:
    """FastGPT's answer to somebody else's request, whatever its status."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{site.base_url}/core/dataset/{route}?id={dataset}",
        method=method,
        headers={"Authorization": f"Bearer {site.key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def test_a_dataset_that_is_gone(site: Site) -> None:
    """Where the server does not serve a source, each of its documents says so."""
    dataset = source(site)["dataset_id"]
    asked = partial(_asked, site, dataset)
    asked("DELETE", "delete")
    wait_until(lambda: 200 != asked("GET", "detail")["code"], "the dataset is gone, which takes a moment")
    site.write("new.md", "# New\n\nA new document about gannets.\n")
    site.run("sync", code=6)
    for row in listed(site).values():
        assert "not served: the dataset" in row["note"]
        assert row["unserved"]["since"] is None
    shown = site.run("status", code=0).out
    assert "documents as last proven, not served" in shown


def test_a_file_that_changed_while_the_server_is_away(site: Site) -> None:
    """Its row is no `verified` with a new size: it changed and waits, and the version that is found is named."""
    before = listed(site)["otters.md"]
    site.write("otters.md", "# Otters\n\nOtters sleep afloat, and this text is longer than the one before it.\n")
    site.run("sync", "--timeout", "0s", code=69, SYNCD_FASTGPT__BASE_URL="http://127.0.0.1:9/api")
    row = listed(site)["otters.md"]
    assert (row["state"], row["changed"], row["note"]) == ("waiting", True, "changed, waiting for the next run")
    assert row["serving"] == before["serving"]
    assert row["size"] > before["size"]
    assert source(site)["counts"] | {"waiting": 1, "verified": 1} == source(site)["counts"]
    [waiting] = source(site)["waiting"]["documents"]
    assert (waiting["path"], waiting["reason"]) == ("otters.md", "changed, waiting for the next run")
    assert site.run("status", code=0).out.startswith("Not finished: 1 document waits for the next pass.")
    site.run("sync", code=0)
    assert (listed(site)["otters.md"]["state"], listed(site)["otters.md"]["note"]) == ("verified", None)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"running": True, "server": {"message": "refused"}}, "changed, waiting for the server"),
        ({"running": True, "server": {"message": ""}}, "changed, waiting for its turn"),
        ({"running": True, "paused": {"since": "x"}}, "changed, waiting for `syncd resume`"),
        ({"running": False, "paused": None}, "changed, waiting for the next run"),
    ],
)
def test_what_a_changed_file_waits_for(service: dict[str, Any], said: str) -> None:
    """What is said is what is waited for."""
    assert said == changed(service)


def test_words() -> None:
    """A folder that was never read has no time."""
    assert Unserved("the folder is not there", None, looked_at=False).note == (
        "not looked at since it was configured: the folder is not there"
    )
    assert Unserved("refused", None, looked_at=True).note == "not served: refused"
