"""The commands that look: plan, status, ls, history, search, verify, check, doctor; text, JSON and Markdown."""

from __future__ import annotations

import json
import os
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from cli_site import Site


def test_plan_needs_no_server_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where nobody answers the files are planned for, which is said; no ledger is made; exit code 5 only when asked."""
    site = Site(tmp_path, base_url="http://127.0.0.1:9/api")
    site.fill(2)
    site.write("nothing.md", "")

    document = site.run("plan", "--json", code=0).json
    assert document["schema"] == "syncd.plan/1"
    assert sorted((action["kind"], action["path"]) for action in document["actions"]) == [
        ("quarantine", "nothing.md"),
        ("upload", "otters.md"),
        ("upload", "walruses.md"),
    ]
    assert all(action["reason"] and action["source"] == "docs" for action in document["actions"])
    assert ("files", None) == (document["basis"], document["ledger"])
    assert "the server could not be asked" in site.run("plan", code=0).out
    assert "the server was not asked" in site.run("plan", "--offline", code=0).out
    assert (document["cost"]["documents"], document["cost"]["chunks"]) == (2, 2)
    assert {"config.toml", "docs", "key"} == set(os.listdir(tmp_path))
    site.run("plan", "--exit-code", code=5)


def test_a_quarantine_that_can_be_foreseen_is_in_the_plan(tmp_path: Path) -> None:
    """A plan says of a file that cannot be sent what a pass will say of it, with the reason."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("blank.md", " \n\n\t\n")
    site.write("binary.txt", b"\x00\x01\x02\xff" * 500)
    site.write("broken.xlsx", b"no workbook at all")

    document = site.run("plan", "--json", code=0).json
    planned = {action["path"]: action["kind"] for action in document["actions"]}
    assert planned == {
        "otters.md": "upload", "blank.md": "quarantine", "binary.txt": "quarantine", "broken.xlsx": "quarantine",
    }  # fmt: skip
    site.run("sync", code=3)
    found = {row["path"]: row["error"] for row in site.run("ls", "--json", code=0).json["documents"] if row["error"]}
    reasons = {action["path"]: action["reason"] for action in document["actions"]}
    assert {"blank.md", "binary.txt", "broken.xlsx"} == set(found)
    for path, error in found.items():
        assert error["message"].startswith(reasons[path].removesuffix(".")), path
    assert site.run("plan", "--json", code=0).json["actions"] == []


def test_plan_formats(tmp_path: Path) -> None:
    """Text, JSON, Markdown, and a file that is never overwritten."""
    site = Site(tmp_path)
    site.write("a|b_c.md", "# Pipes\n\nA document whose name would break a table.\n")

    assert "| upload | a\\|b\\_c.md |" in site.run("plan", "--format", "markdown", code=0).out
    shown = site.run("plan", "--out", "plan.json", code=0).out
    assert "upload" in shown and "new file" in shown
    assert (
        site.run("plan", "--format", "json", code=0).json["actions"]
        == json.loads((tmp_path / "plan.json").read_text())["actions"]
    )
    assert "exists already" in site.run("plan", "--out", "plan.json", code=2).err


def _datasets(site: Site) -> set[str]:
    """The names of all datasets on the server."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{site.base_url}/core/dataset/list",
        data=b'{"parentId": ""}',
        headers={"Authorization": f"Bearer {site.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return {row["name"] for row in json.load(answer)["data"]}


def test_plan_without_a_ledger_reads_the_server(tmp_path: Path) -> None:
    """What is on the server is not planned as new, what only the server has is named, and nothing changes there."""
    site = Site(tmp_path)
    site.fill(3)
    assert ["upload"] * 3 == [action["kind"] for action in site.run("plan", "--json", code=0).json["actions"]]
    assert site.tmp.name not in _datasets(site), "a plan made the dataset"
    site.run("sync", code=0)
    assert site.tmp.name in _datasets(site)
    site.lose_ledger()
    (site.docs / "otters.md").unlink()
    site.write("walruses.md", "# Walruses\n\nThey have moved to the south since.\n")

    document = site.run("plan", "--json", code=0).json
    assert "server" == document["basis"]
    assert [("prove", "petrels.md"), ("upload", "walruses.md")] == sorted(
        (action["kind"], action["path"]) for action in document["actions"]
    )
    assert ["otters.md"] == [row["path"] for row in document["orphans"]]
    site.run("plan", "--format", "markdown", "--out", "plan.md", code=0)
    assert "| upload | walruses.md |" in (tmp_path / "plan.md").read_text()


def test_plan_after_a_pass_has_nothing_to_do(tmp_path: Path) -> None:
    """What was mirrored needs nothing; what vanished beyond the limit is a hold."""
    site = Site(tmp_path, delete="max_count = 0")
    site.fill(2)
    site.run("sync", code=0)

    assert "nothing to do" in site.run("plan", "--exit-code", code=0).out
    (site.docs / "otters.md").unlink()
    document = site.run("plan", "--json", "--exit-code", code=5).json
    assert document["actions"] == []
    assert {"source", "reason", "releasable", "count", "paths", "since"} <= set(document["holds"][0])


def test_before_the_first_pass_everything_reads_as_empty(tmp_path: Path) -> None:
    """Looking at a ledger that is not there yet is no error."""
    site = Site(tmp_path)

    assert "nothing was synchronised yet" in site.run("status", code=0).out
    assert site.run("ls", "--json", code=0).json["documents"] == []
    assert "nothing was synchronised yet" in site.run("history", "a.md", code=2).err


def test_status(tmp_path: Path) -> None:
    """Counts by state, the watch, and sources that left the configuration."""
    site = Site(tmp_path)
    site.fill(2)
    site.write("nothing.md", "")
    site.run("sync", code=3)

    source = site.run("status", "--json", code=0).json["sources"][0]
    assert (source["name"], source["counts"]["verified"], source["counts"]["quarantined"]) == ("docs", 2, 1)
    assert source["watch"] == {"mode": "off", "reason": "no service is running"}
    shown = site.run("status", code=0).out
    assert (shown.count("service"), shown.count("(`syncd run` starts one)")) == (1, 1)
    assert source["dataset_id"] and source["last_scan_at"].endswith("Z") and source["holds"] == []

    text = (tmp_path / "config.toml").read_text().replace('name = "docs"', 'name = "other"')
    (tmp_path / "config.toml").write_text(text)
    assert "the source docs is not in the configuration any more" in site.run("status", code=0).out
    assert [(row["name"], row["configured"]) for row in site.run("status", "--json", code=0).json["sources"]] == [
        ("other", True),
        ("docs", False),
    ]


def test_ls(tmp_path: Path) -> None:
    """One row per document with what serves and what is wrong."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("nothing.md", "")
    site.run("sync", code=3)

    document = site.run("ls", "--json", code=0).json
    assert document["schema"] == "syncd.ls/1"
    bad, good = document["documents"]
    assert (bad["path"], bad["state"], bad["serving"]) == ("nothing.md", "quarantined", None)
    assert bad["error"]["code"] == "empty"
    assert (good["state"], good["error"], good["attempts"]) == ("verified", None, 0)
    assert {"collection_id": good["collection_id"], "sha256": good["sha256"], "verified_at": good["verified_at"]} == (
        good["serving"]
    )
    assert [r["path"] for r in site.run("ls", "--state", "verified", "--json").json["documents"]] == ["otters.md"]
    assert "nothing.md  quarantined" in site.run("ls", "docs", code=0).out


def test_deleted_documents_are_listed_only_with_all(tmp_path: Path) -> None:
    """What is gone for good stays as history."""
    site = Site(tmp_path, delete='grace = "0s"')
    site.fill(2)
    site.run("sync", code=0)
    (site.docs / "otters.md").unlink()
    site.run("sync", code=0)

    assert len(site.run("ls", "--json", code=0).json["documents"]) == 1
    assert [r["state"] for r in site.run("ls", "--state", "deleted", "--json").json["documents"]] == ["deleted"]
    assert len(site.run("ls", "--all", "--json", code=0).json["documents"]) == 2


def test_names_of_any_kind_survive(tmp_path: Path) -> None:
    """Chinese names, blanks, control characters and bytes that are no text, in tables and in JSON."""
    site = Site(tmp_path)
    site.write("手册 第一章.md", "# 第一章\n\n员工每年享有十五天带薪年假，未休完的可以结转。\n")
    site.write("red\x1b[31m.md", "# Escape\n\nThe name of this document would paint the terminal red.\n")
    with open(os.fsencode(site.docs) + b"/caf\xe9.md", "wb") as file:
        file.write(b"# Not UTF-8\n\nThe name of this document is not UTF-8.\n")
    site.run("sync")

    listing = site.run("ls", code=0)
    assert "\x1b" not in listing.out and "red\\x1b[31m.md" in listing.out
    paths = [row["path"] for row in site.run("ls", "--json", code=0).json["documents"]]
    assert "手册 第一章.md" in paths and "red\x1b[31m.md" in paths and len(paths) == 3


@pytest.mark.parametrize("given", ["otters.md", "docs/otters.md", "./docs/otters.md", "docs/../docs/otters.md"])
def test_a_path_may_be_given_in_several_ways(tmp_path: Path, given: str) -> None:
    """Relative to the source, or as the file on disk."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)

    for path in (given, str(site.docs / "otters.md")):
        document = site.run("history", path, "--json", code=0).json
        assert (document["schema"], document["source"], document["path"]) == ("syncd.history/1", "docs", "otters.md")
        assert [event["event"] for event in document["events"]] == ["uploaded", "verified"]
        assert document["proofs"][0]["passed"] and document["proofs"][0]["probes"][0]["verdict"] == "found"
    assert 'did you mean "otters.md"?' in site.run("history", "oters.md", code=2).err


def test_a_path_in_two_sources_needs_the_source(tmp_path: Path) -> None:
    """Nothing is guessed."""
    site = Site(
        tmp_path,
        extra=f'[[source]]\nname = "more"\npath = "elsewhere"\ndataset = "{tmp_path.name}-more"\nsettle = "0s"',
    )
    site.fill(1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "otters.md").write_text("# Otters again\n\nThe same name, another folder, other words.\n")
    site.run("sync", code=0)

    assert "--source" in site.run("history", "otters.md", code=2).err
    assert site.run("history", "otters.md", "--source", "more", "--json", code=0).json["source"] == "more"
    assert site.run("history", "docs/otters.md", "--json", code=0).json["source"] == "docs"
    assert site.run("history", "more/otters.md", "--json", code=0).json["source"] == "more"  # as the output names it


def test_search_shows_paths(tmp_path: Path) -> None:
    """Each distinct dataset is asked once; hits carry paths, rank and score."""
    site = Site(tmp_path)
    site.fill(3)
    site.run("sync", code=0)

    document = site.run("search", "Everything about walruses", "--json", code=0).json
    assert (document["schema"], len(document["datasets"])) == ("syncd.search/1", 1)
    hit = document["datasets"][0]["hits"][0]
    assert (hit["source"], hit["path"], hit["rank"]) == ("docs", "walruses.md", 1)
    assert "docs/walruses.md" in site.run("search", "walruses", "--source", "docs", "--mode", "embedding", code=0).out
    site.run("search", "walruses", "--dataset", "nowhere", code=2)


def test_history_of_a_failed_proof(tmp_path: Path) -> None:
    """The searches that missed a document are shown, with the documents that were found instead (R6)."""
    site = Site(tmp_path)
    site.fill(2)
    site.run("sync", code=0)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as conn:
        own, other = (
            conn.execute(
                "select r.id, r.collection_id from revisions r join documents d on d.id = r.document where d.path = ?",
                (path,),
            ).fetchone()
            for path in ("otters.md", "walruses.md")
        )
        number = conn.execute(
            "insert into proofs (revision, at, passed, failure) values (?, 1e9, 0, 'not found') returning id", own[:1]
        ).fetchone()[0]
        conn.execute(
            "insert into probe_results (proof, query, mode, verdict, instead) values (?, 'q', 'm', 'missing', ?)",
            (number, json.dumps([other[1], "theirs"])),
        )
        conn.commit()

    passed, failed = site.run("history", "otters.md", "--json", code=0).json["proofs"]
    assert (True, None, False, "not found") == (
        passed["passed"], passed["failure"], failed["passed"], failed["failure"],
    )  # fmt: skip
    assert [["docs/walruses.md", "collection theirs"]] == [probe["instead"] for probe in failed["probes"]]
    assert "docs/walruses.md" in site.run("history", "otters.md", code=0).out


def test_verify(tmp_path: Path) -> None:
    """Probes and golden questions again; a failed question ends with 4."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)

    first = site.run("verify", "--json", code=0)
    assert "proven       docs/otters.md" in first.err  # whoever waits sees how far it is, as in `sync`
    assert site.run("-q", "verify", "--json", code=0).err == ""
    document = first.json
    assert document["schema"] == "syncd.verify/1"
    assert {"source", "path", "question", "kind", "verdict", "rank", "score"} <= set(document["results"][0])
    assert document["results"] == site.run("verify", "docs/otters.md", "--json", code=0).json["results"]
    metrics = document["metrics"]
    assert (len(document["results"]), 1.0, 0, None) == (
        metrics["n"], metrics["recall@1"], metrics["golden"]["n"], metrics["golden"]["mrr"],
    )  # fmt: skip
    assert "golden questions: unmeasured" in site.run("verify", "--sample", "1/1", code=0).out
    site.write("otters.questions.toml", '[[questions]]\ntext = "Nothing that stands anywhere"\nmust_rank = 1\n')
    site.write("otters.md", '---\nquestions: ["Everything about walruses"]\n---\n# Otters\n\nOtters hold paws.\n')
    site.run("sync")
    metrics = site.run("verify", "--json").json["metrics"]
    assert (2, 1) == (metrics["golden"]["n"], metrics["n"])
    site.run("verify", "--sample", "most", code=2)
    site.run("verify", "--all", "--sample", "1/2", code=2)


def test_check(tmp_path: Path) -> None:
    """Without problems the values in effect are shown; the key is not among them."""
    site = Site(tmp_path)

    document = site.run("check", "--json", code=0).json
    assert (
        document["ok"],
        document["effective"]["fastgpt"]["api_key"],
        document["effective"]["fastgpt"]["search_tests_per_second"],
    ) == (True, "***", 200.0)
    assert "no problems" in site.run("check", code=0).out
    site.docs.rmdir()
    assert "there is no folder" in site.run("check", code=0).out


def test_doctor(tmp_path: Path) -> None:
    """Findings with hints; the gravest decides the exit code; the bundle holds no key."""
    site = Site(tmp_path)

    document = site.run("doctor", "--json", code=0).json
    assert document["schema"] == "syncd.doctor/1"
    assert {"check", "level", "message", "hint", "exit_code"} == set(document["findings"][0])
    site.run("doctor", "--bundle", "bundle.zip", code=0)
    assert "exists already" in site.run("doctor", "--bundle", "bundle.zip", code=2).err
    (tmp_path / "config.toml").write_text("version = 9\n")
    site.run("doctor", code=78)


def test_what_nobody_reads_is_named_for_good(tmp_path: Path) -> None:
    """Files of unread formats are counted by `status` and named by `ls --skipped` after any pass."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("plan.dwg", "drawing")
    site.write("deep/photo.png", "picture")
    site.write("deep/site.json", "{}")
    site.run("sync", code=0)
    site.run("sync", code=0)

    assert 3 == site.run("status", "--json", code=0).json["sources"][0]["skipped"]
    assert "3 files of formats that nobody reads" in site.run("status", code=0).out
    found = site.run("ls", "--skipped", "--json", code=0).json
    assert ["deep/photo.png", "deep/site.json", "plan.dwg"] == [row["path"] for row in found["skipped"]]
    assert ["otters.md"] == [row["path"] for row in found["documents"]]
    (site.docs / "plan.dwg").unlink()
    site.run("sync", code=0)
    assert 2 == site.run("status", "--json", code=0).json["sources"][0]["skipped"]


def test_an_include_takes_files_of_data_as_text(tmp_path: Path) -> None:
    """An include that names a format of data has it sent as text and proven, as the configuration says."""
    site = Site(tmp_path)
    (tmp_path / "config.toml").write_text(
        (tmp_path / "config.toml")
        .read_text()
        .replace("settle =", 'include = ["**/*.json", "**/*.ini", "*.y*ml"]\nsettle =')
    )
    site.write("pump.json", '{"pump P-101": "is serviced every 5000 hours by the keeper of the north wing"}\n')
    site.write("lamp.ini", "[lamp]\nwick = trimmed on Thursdays by the second keeper\n")
    site.write("bell.yaml", "bell: rung at noon by the third keeper of the tower\n")
    site.write("left.xml", "<out/>")
    site.run("sync", code=0)

    assert {"pump.json", "lamp.ini", "bell.yaml"} == {name.removesuffix(".txt") for name in site.visible()}
