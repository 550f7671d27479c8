"""The commands that change something: init, retry, release, rollback, adopt, backup."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from cli_site import Site, server

from syncd import config


def test_init_writes_a_configuration_that_check_understands(tmp_path: Path) -> None:
    """Private, complete but for the key, and never over an existing one."""
    site = Site(tmp_path)
    (tmp_path / "config.toml").unlink()

    result = site.run("init", "--path", "docs", "--dataset", '员工 "手册"', "--base-url", "http://x:1/api", code=0)
    assert "syncd check" in result.out
    target = tmp_path / "config.toml"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    (tmp_path / "fastgpt-api-key").write_text("fastgpt-key\n")
    loaded = config.load(target, env={"HOME": str(tmp_path)})
    assert ('员工 "手册"', "http://x:1/api", tmp_path / "docs") == (
        loaded.sources[0].dataset,
        loaded.fastgpt.base_url,
        loaded.sources[0].path,
    )
    assert loaded.ledger.space
    before = target.read_bytes()
    assert "exists already" in site.run("init", "--json", code=2).json["error"]["message"]
    assert before == target.read_bytes()


def test_init_elsewhere_keeps_the_folder_it_was_told(tmp_path: Path) -> None:
    """A relative --path starts where the person stands, not where the file goes."""
    site = Site(tmp_path)
    (tmp_path / "etc").mkdir()

    site.run("init", "--config", "etc/syncd.toml", "--path", "docs", code=0)
    (tmp_path / "etc" / "fastgpt-api-key").write_text("fastgpt-key\n")
    loaded = config.load(tmp_path / "etc" / "syncd.toml", env={"HOME": str(tmp_path)})
    assert site.docs == loaded.sources[0].path


def test_retry_outdated(tmp_path: Path) -> None:
    """`status` says who would gain from being sent again, and `retry --outdated` has exactly these replaced."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("long.md", "# Title\n\n## Part\n\n" + "A sentence about the lighthouse of Travemünde. " * 40)
    site.run("sync", code=0)
    assert "older way" not in site.run("status", code=0).out
    assert "nothing was sent in an older way" in site.run("retry", "--outdated", code=0).out
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as conn:
        conn.execute("update revisions set sent_as = 1")
        conn.commit()

    said = " ".join(site.run("status", code=0).out.split())
    assert "1 document was sent in an older way: their chunks lose the title" in said
    assert "`syncd retry --outdated` re-sends" in said
    row = site.run("status", "--json", code=0).json["sources"][0]["outdated"]
    assert (1, 0, True) == (row["count"], row["on_their_way"], row["exact"])
    site.run("retry", "--outdated", "long.md", code=2)
    site.run("retry", "--per-minute", "3", code=2)
    assert 1 == site.run("retry", "--outdated", "--json", code=0).json["count"]
    assert "it was sent in an older way" in site.run("plan", code=0).out
    assert 1 == site.run("sync", "--json", code=0).json["counts"]["replaced"]
    assert 0 == site.run("status", "--json", code=0).json["sources"][0]["outdated"]["count"]


def test_retry(tmp_path: Path) -> None:
    """What was given up is tried again, alone or all together."""
    site = Site(tmp_path)
    site.fill(1)
    site.write("nothing.md", "")
    site.write("also nothing.md", " \n")
    site.run("sync", code=3)

    assert site.run("retry", "docs/nothing.md", "--json", code=0).json["count"] == 1
    assert 1 <= site.run("retry", "--json", code=0).json["count"] <= 2
    site.run("retry", "--all", code=0)
    site.run("retry", "unknown.md", code=2)
    assert site.run("sync", "--json", code=3).json["counts"]["quarantined"] == 2


def test_release_needs_something_held(tmp_path: Path) -> None:
    """Releasing nothing says so; an unknown source is a typing error."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)

    assert site.run("release", "docs").code == 6
    assert "did you mean" in site.run("release", "doc", code=2).err


def test_an_emptied_folder_needs_the_word_emptied(tmp_path: Path) -> None:
    """An empty folder is let go only when somebody says that it was emptied on purpose."""
    site = Site(tmp_path)
    site.fill(2)
    site.run("sync", code=0)
    for file in site.docs.iterdir():
        file.unlink()
    site.run("sync", code=6)

    assert "--emptied" in site.run("release", "docs", code=6).err
    assert len(site.run("release", "docs", "--emptied", "--json", code=0).json["paths"]) == 2
    assert site.run("sync", "--json", code=0).json["counts"]["retired"] == 2


def test_rollback(tmp_path: Path) -> None:
    """The version before serves again without an upload, and stays until the file changes."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)
    first = site.run("ls", "--json").json["documents"][0]["sha256"]
    assert site.run("rollback", "otters.md").code == 6
    site.write("otters.md", "# Otters\n\nThe second version says something else about rivers and fish.\n")
    site.run("sync", code=0)

    assert "serves again" in site.run("rollback", "docs/otters.md", "--json", code=0).json["message"]
    row = site.run("ls", "--json").json["documents"][0]
    assert (first, "rolled-back") == (row["serving"]["sha256"], row["error"]["code"])
    assert site.run("sync", "--json", code=3).json["counts"]["uploaded"] == 0


def test_adopt_rebuilds_a_lost_ledger(tmp_path: Path) -> None:
    """Nothing is uploaded again; the next pass proves what was adopted."""
    site = Site(tmp_path)
    site.fill(3)
    site.run("sync", code=0)
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()

    assert site.run("adopt", "--json", code=0).json["counts"]["adopted"] == 3
    counts = site.run("sync", "--json", code=0).json["counts"]
    assert (counts["uploaded"], counts["verified"]) == (0, 3)


def test_backup(tmp_path: Path) -> None:
    """A complete, private copy, never over an existing file, and none without a ledger."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("backup", "copy.db", code=65)
    site.run("sync", code=0)

    document = site.run("backup", "copy.db", "--json", code=0).json
    assert ((tmp_path / "copy.db").stat().st_size, str(tmp_path / "copy.db")) == (document["bytes"], document["path"])
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert "exists already" in site.run("backup", "copy.db", code=2).err


def test_what_is_not_ours_is_shown_as_such(tmp_path: Path) -> None:
    """A stranger's document is found by `search` and has no path."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)
    dataset = site.run("status", "--json").json["sources"][0]["dataset_id"]
    stranger = Site(tmp_path.parent, key=server().key)
    stranger.docs.joinpath("zebra.md").write_text("# Zebra\n\nStripes keep the flies of the savannah away.\n")
    text = (
        (stranger.tmp / "config.toml").read_text().replace(f'dataset = "{stranger.tmp.name}"', f'dataset = "{dataset}"')
    )
    (stranger.tmp / "config.toml").write_text(text)
    stranger.run("sync", code=0)

    hits = site.run("search", "flies of the savannah", "--json", code=0).json["datasets"][0]["hits"]
    assert (hits[0]["source"], hits[0]["path"]) == (None, None)
    assert "(not ours: " in site.run("search", "flies of the savannah", code=0).out
