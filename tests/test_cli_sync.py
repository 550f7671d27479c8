"""`syncd sync` as a process: its JSON, its exit codes, its signals."""

from __future__ import annotations

import fcntl
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cli_site import Site, html_server, interrupt, server

COUNTS = ["uploaded", "verified", "replaced", "moved", "retired", "deleted", "quarantined", "held", "unchanged"]


def test_a_first_and_a_second_pass(tmp_path: Path) -> None:
    """Everything is verified, then nothing is left to do; stdout holds one document and nothing else."""
    site = Site(tmp_path)
    site.fill(3)

    first = site.run("sync", "--json", code=0)
    assert first.json["schema"] == "syncd.sync/1"
    assert list(first.json["counts"]) == COUNTS
    assert (first.json["counts"]["uploaded"], first.json["counts"]["verified"]) == (3, 3)
    assert "verified     docs/otters.md" in first.err

    second = site.run("sync", "--json", "-q", code=0)
    assert {**dict.fromkeys(COUNTS, 0), "unchanged": 3} == second.json["counts"]
    assert second.err == ""
    timings = second.json["timings"]
    assert list(timings) == ["startup", "scan", "total"]
    assert 0 < timings["startup"] < timings["total"]
    assert timings["scan"] <= timings["total"] - timings["startup"]


def test_a_quarantined_document_ends_with_3(tmp_path: Path) -> None:
    """What cannot be taken is named with its reason and what to do, at length once; the rest is served."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("nothing.md", "")

    result = site.run("sync", code=3)
    assert "docs/nothing.md: empty" in result.out
    assert "exit code 3" in result.out
    site.write("nothing else.md", "")
    result = site.run("sync", code=3)
    assert "docs/nothing else.md: empty" in result.out
    assert "docs/nothing.md" not in result.out  # it was named when it was given up
    assert "1 document given up before this run (1 empty)" in result.out
    assert "`syncd ls --state quarantined` names them" in result.out
    (site.docs / "nothing else.md").unlink()
    again = site.run("sync", "--json", code=3).json
    assert [(row["path"], row["code"], row["state"]) for row in again["documents_failed"]] == [
        ("nothing.md", "empty", "quarantined")
    ]


def test_held_deletions_end_with_6_until_released(tmp_path: Path) -> None:
    """Past the limit nothing is deleted; `release` lets exactly these go."""
    site = Site(tmp_path, delete="max_count = 1")
    site.fill(4)
    site.run("sync", code=0)
    for name in ("otters.md", "petrels.md"):
        (site.docs / name).unlink()

    held = site.run("sync", "--json", code=6).json
    assert [
        (hold["source"], hold["reason"], hold["releasable"], hold["count"], hold["paths"]) for hold in held["holds"]
    ] == [("docs", "limit", True, 2, ["otters.md", "petrels.md"])]
    assert (held["counts"]["held"], held["counts"]["retired"]) == (2, 0)
    id_ = held["holds"][0]["id"]
    shown = site.run("status", code=0).out
    assert f"hold {id_}" in shown
    assert f"`syncd release docs --hold {id_}`" in shown

    released = site.run("release", "docs", "--json", code=0).json
    assert (released["paths"], released["hold"], released["came_since"]) == (["otters.md", "petrels.md"], id_, 0)
    assert site.run("sync", "--json", code=0).json["counts"]["retired"] == 2


def _until_gone(site: Site, dataset: str) -> None:
    """Deleting a dataset takes effect a moment after the answer (observed fact 14)."""
    address = f"{site.base_url}/core/dataset/detail?id={dataset}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {site.key}"})  # noqa: S310 - loopback
    for _ in range(200):
        try:
            urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
        except urllib.error.HTTPError:
            return
        time.sleep(0.05)
    raise AssertionError("the dataset is still there")


def test_a_gone_dataset_is_not_called_held(tmp_path: Path) -> None:
    """The last line says the cause of the exit code, and `status` says it at once, also when no service runs."""
    site = Site(tmp_path)
    site.fill(2)
    site.run("sync", code=0)
    dataset = site.run("status", "--json", code=0).json["sources"][0]["dataset_id"]
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{site.base_url}/core/dataset/delete?id={dataset}",
        data=b"{}",
        method="DELETE",
        headers={"Authorization": f"Bearer {site.key}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
    _until_gone(site, dataset)
    site.write("new.md", "# New\n\nA new document about gannets.\n")

    ended = site.run("sync", code=6)
    assert "exit code 6: 1 source could not be served" in ended.out
    assert "firewall" not in ended.out
    status = site.run("status", "--json", code=0).json
    assert "not on the server any more" in status["sources"][0]["trouble"]
    assert "source" == status["headline"]["kind"]


def test_a_vanished_root_is_held(tmp_path: Path) -> None:
    """A missing folder deletes nothing and cannot be released."""
    site = Site(tmp_path)
    site.fill(2)
    site.run("sync", code=0)
    site.docs.rename(site.tmp / "elsewhere")

    hold = site.run("sync", "--json", code=6).json["holds"][0]
    assert (hold["reason"], hold["releasable"]) == ("root-missing", False)
    assert site.run("release", "docs").code == 6


def test_an_unreachable_server_ends_with_69(tmp_path: Path) -> None:
    """The server is tried for --timeout; no document is blamed."""
    site = Site(tmp_path, base_url="http://127.0.0.1:9/api")
    site.fill(1)

    began = time.monotonic()
    result = site.run("sync", "--timeout", "1s", "--json", code=69)
    assert time.monotonic() - began < 20
    assert (result.json["exit_code"], result.json["error"]["code"]) == (69, "server-unreachable")
    assert all(row["attempts"] == 0 for row in site.run("ls", "--json", code=0).json["documents"])


def test_a_held_lock_ends_with_75(tmp_path: Path) -> None:
    """Two engines on one ledger: the second says who is there. Reading needs no lock."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)
    with open(tmp_path / "ledger.db.lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (["sync"], ["retry", "--all"], ["adopt"], ["verify"], ["release", "docs"]):
            assert site.run(*command, "--json", code=75).json["error"]["code"] == "busy"
        for command in (["status"], ["ls"], ["plan"], ["history", "otters.md"], ["backup", "copy.db"], ["search", "x"]):
            site.run(*command, code=0)


def test_a_wrong_key_ends_with_77(tmp_path: Path) -> None:
    """A key that the server refuses is named, not shown."""
    site = Site(tmp_path, key="fastgpt-canaryCANARYcanaryCANARYcanaryCANARYcanary")
    site.fill(1)

    assert site.run("sync", "--json", "-vv", code=77).json["error"]["code"] == "account-refused"


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_instead_of_the_api_ends_with_76(tmp_path: Path, status: int) -> None:
    """HTML is a wrong address, whatever its status."""
    with html_server(status) as address:
        site = Site(tmp_path, base_url=address)
        site.fill(1)

        assert site.run("sync", "--json", code=76).json["exit_code"] == 76


def test_a_wrong_base_url_ends_with_76(tmp_path: Path) -> None:
    """A path in front of the API that is not there."""
    site = Site(tmp_path, base_url=server().base_url.replace("/api", "/nowhere/api"))
    site.fill(1)

    result = site.run("sync", code=76)
    assert "hint:" in result.err


def test_configuration_errors_end_with_78_all_at_once(tmp_path: Path) -> None:
    """Every problem has a line of its own, with file and line."""
    site = Site(tmp_path)
    text = (tmp_path / "config.toml").read_text().replace("version = 1", "version = 2").replace("settle", "setle")
    (tmp_path / "config.toml").write_text(text)

    for command in ("sync", "check", "status"):
        result = site.run(command, "--json", code=78)
        assert result.json["error"]["code"] == "config"
        assert [p.split(" ")[0] for p in result.json["problems"]] == ["config.toml:1:", "config.toml:13:"]
        assert result.err.count("error: config.toml:") == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_at_a_safe_point_and_the_next_pass_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The exit code is the signal's; the next pass uploads nothing twice."""
    site = Site(tmp_path)
    site.fill(8)
    name = tmp_path.name
    with site.running("sync", "--json") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("uploaded")
        result = interrupt(process, number)

    assert (code, code, number.name) == (result.code, result.json["exit_code"], result.json["stopped_by"])
    site.run("sync", code=0)
    sent = [
        row["metadata"]["syncd"]["path"]
        for row in server().admin("snapshot")
        if (row["metadata"] or {}).get("syncd", {}).get("space") == name
    ]
    assert sorted(set(sent)) == sorted(sent)
    assert len(sent) == 8


def test_a_signal_while_the_server_is_away(tmp_path: Path) -> None:
    """Stopped is stopped, whatever the server does."""
    site = Site(tmp_path, base_url="http://127.0.0.1:9/api")
    site.fill(1)
    with site.running("sync", "--timeout", "3s", "--json") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("server")
        result = interrupt(process, signal.SIGTERM)

    assert (result.code, result.json["exit_code"]) == (143, 143)


def test_a_bound_on_the_pass_ends_with_4(tmp_path: Path) -> None:
    """--wait stops the pass; what is left is done by the next one."""
    site = Site(tmp_path)
    site.fill(8)

    result = site.run("sync", "--wait", "50ms", "--json", code=4)
    assert result.json["counts"]["verified"] < 8
    site.run("sync", code=0)


def test_only_named_sources_are_served(tmp_path: Path) -> None:
    """SOURCE… limits the pass."""
    more = f'[[source]]\nname = "more"\npath = "more"\ndataset = "{tmp_path.name}-more"\nsettle = "0s"'
    site = Site(tmp_path, extra=more)
    site.fill(1)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.md").write_text("# Another place\n\nWith a document of its own about badgers.\n")

    assert site.run("sync", "docs", "--json", code=0).json["counts"]["uploaded"] == 1
    assert site.run("sync", "--json", code=0).json["counts"]["uploaded"] == 1


def test_logs_are_silent_unless_asked_for(tmp_path: Path) -> None:
    """-q leaves stderr to errors; -vv fills it and never shows the key."""
    site = Site(tmp_path)
    site.fill(1)

    assert "round.done" in site.run("sync", "-vv", code=0).err
    site.fill(2)
    assert site.run("sync", "-q", code=0).err == ""


def test_files_that_nobody_reads_are_named(tmp_path: Path) -> None:
    """A file of a format that nobody reads is skipped, not failed, and the pass says so by name."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("tool.exe", "MZ")

    report = site.run("sync", "--json", code=0).json
    assert [{"source": "docs", "path": "tool.exe", "reason": "unsupported"}] == report["skipped"]
