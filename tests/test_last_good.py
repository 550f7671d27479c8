"""A wrong configuration file does not blind who operates syncd, and `pause` stops one-shot passes too."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cli_site import Site
from service_site import running

from syncd import config, healthcheck, salvage
from syncd.config import kept
from syncd.config.values import Secret
from syncd.shards import Shard

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
WRONG = {
    "no TOML": lambda text: text + "\nthis is no TOML\n",
    "an unknown key": lambda text: text.replace("[ledger]", "colour = 3\n[ledger]"),
    "a cut file": lambda text: text[: text.index("[[source]]")],
    "no key": lambda text: text.replace('api_key_file = "key"', 'api_key_file = "gone"'),
    "a wrong value": lambda text: text + '\n[http]\nlisten = "nowhere"\n',
}


@pytest.mark.parametrize("sub", ["", "[source.training]\nchunk_size = 500\n[source.delete]\nmax_count = 3\n"])
def test_a_kept_configuration_is_the_same(tmp_path: Path, sub: str) -> None:
    """What the ledger keeps gives the very same configuration again, but for its secrets, which are not in it."""
    path = tmp_path / "config.toml"
    path.write_text(_small() + sub if sub else EXAMPLE.read_text())
    (tmp_path / "fastgpt-api-key").write_text("fastgpt-0123456789\n")
    loaded = replace(config.load(path, env={"HOME": str(tmp_path)}), shard=Shard(1, 3))
    text = kept.keep(loaded)
    assert "fastgpt-0123456789" not in text
    fastgpt, http = replace(loaded.fastgpt, api_key=Secret("")), replace(loaded.http, token=Secret(""))
    without = replace(loaded, fastgpt=fastgpt, http=http)
    assert without == kept.revive(text)


def _small() -> str:
    return (
        'version = 1\n[fastgpt]\nbase_url = "http://h/api"\napi_key_file = "fastgpt-api-key"\n'
        '[http]\ntoken = "0123456789abcdef"\n[[source]]\nname = "a"\npath = "a"\ndataset = "d"\n'
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"path": 3}', '{"unknown": 1}', "not JSON"])
def test_what_another_version_kept_is_none(text: str) -> None:
    """What cannot be read as a configuration of today is none."""
    assert kept.revive(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[ledger]\npath = "a.db"\n', "a.db"),
        ('ledger = { path = "a.db" }\n', "a.db"),
        ('oops\n[ledger]\n  path = "a.db" # here\n', "a.db"),
        ("[http\n[ ledger ]\npath='a b.db'\n", "a b.db"),
        ('ledger.path = "a.db"\noops\n', "a.db"),
        ('oops\n[[source]]\npath = "docs"\n', None),
        ('oops\n[ledger]\n# path = "a.db"\n', None),
        ("[ledger]\npath = 3\n", None),
        ("ledger = 3\n", None),
        ("", None),
    ],
)
def test_single_texts_of_a_broken_file(text: str, expected: str | None) -> None:
    """The ledger is found in a file that is no TOML, unless the very line is broken; a source's path is no ledger's."""
    assert expected == salvage.text_of(text, "ledger", "path")


@pytest.mark.parametrize("kind", WRONG)
def test_looking_and_deciding_go_on(tmp_path: Path, kind: str) -> None:
    """Without a service the ledger's last good configuration answers; stderr says that the file is wrong."""
    site = Site(tmp_path)
    site.fill(2)
    site.run("sync", code=0)
    before = site.run("status", "--json", code=0).json
    good = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(WRONG[kind](good))

    after = site.run("status", "--json", code=0)
    assert before["sources"] == after.json["sources"]
    assert "is wrong" in after.err
    assert 2 == len(site.run("ls", "--json", code=0).json["documents"])
    site.run("history", "otters.md", code=0)
    site.run("pause", code=0)
    site.run("resume", code=0)
    site.run("retry", "otters.md", code=0)
    assert 'nothing of "docs" is held' in site.run("release", "docs", code=6).err
    site.run("backup", "copy.db", code=0)
    assert 78 == site.run("sync").code
    assert 78 == site.run("check").code
    assert 78 == site.run("reload").code


def test_without_a_ledger_the_problems_are_told(tmp_path: Path) -> None:
    """Where nothing good is known the file's problems are the answer, with 78."""
    site = Site(tmp_path)
    (tmp_path / "config.toml").write_text("version = 1\n[ledger]\npath = 'none.db'\n")
    assert "base_url" in site.run("status", code=78).err


def test_the_running_service_answers(tmp_path: Path) -> None:
    """While a service runs, everything works on with a wrong file, `healthcheck` is well, and a reload is heard of."""
    site = Site(tmp_path)
    site.fill(1)
    with running(site) as service:
        service.in_step()
        good = (tmp_path / "config.toml").read_text()
        for wrong in (WRONG["no TOML"](good), WRONG["no key"](good), good + '\n[http]\nlisten = "127.0.0.1:1"\n'):
            (tmp_path / "config.toml").write_text(wrong)
            env = {"SYNCD_CONFIG": str(tmp_path / "config.toml")}
            assert site.run("healthcheck", "--json", code=0, **env).json["healthy"]
            assert healthcheck.running(env) == service.address.removeprefix("http://")
        (tmp_path / "config.toml").write_text(WRONG["no TOML"](good))
        assert site.run("status", "--json", code=0).json["service"]["running"]
        assert site.run("retry", "otters.md", code=0)
        site.run("pause", code=0)
        site.run("resume", code=0)

        assert "not valid TOML" in site.run("reload", code=78).err
        service.wait_event("config.refused")
        assert "syncd_config_last_reload_successful 0.0" in service.get("/metrics")[1]
        refused = site.run("status", "--json", code=0).json["service"]["config"]["refused"]
        assert "not valid TOML" in refused["problems"][0]
        (tmp_path / "config.toml").write_text(good)
        site.run("reload", code=0)
        assert 0 == service.end()


def test_a_service_without_a_page_is_well(tmp_path: Path) -> None:
    """With `listen = ""` there is nothing to ask; a service that runs is no unwell one."""
    site = Site(tmp_path, extra='[http]\nlisten = ""')
    site.fill(1)
    with running(site, SYNCD_HTTP__LISTEN="") as service:
        service.ready()
        assert "pid" in site.run("healthcheck", code=0).out
        assert 0 == service.end()
    assert 78 == site.run("healthcheck").code


def test_pause_stops_passes_too(tmp_path: Path) -> None:
    """After `pause` a pass sends nothing and ends with 75, until `resume`, or when a person means it."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)
    site.run("pause", code=0)
    site.write("new.md", "# New\n\nA new document about gannets and their ways.\n")
    refused = site.run("sync", "--json", code=75)
    assert "`syncd resume`" in refused.json["error"]["hint"]
    assert ["otters.md"] == list(site.visible())
    site.run("sync", "--despite-pause", code=0)
    assert ["new.md", "otters.md"] == sorted(site.visible())
    assert 75 == site.run("sync").code
    site.run("resume", code=0)
    site.run("sync", code=0)


def test_nothing_secret_is_kept(tmp_path: Path) -> None:
    """No secret of the configuration is in the ledger that keeps it."""
    site = Site(tmp_path, extra='[http]\ntoken = "a-token-of-32-characters-0123456"')
    site.fill(1)
    site.run("sync", code=0)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as conn:
        text = conn.execute("select value from meta where key = 'configuration'").fetchone()[0]
    assert site.key not in text
    assert "a-token-of" not in text
    assert "docs" == json.loads(text)["sources"][0]["name"]
