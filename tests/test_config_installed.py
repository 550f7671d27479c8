"""A configuration in /etc/syncd means the ledger and the key of the service that systemd runs with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncd import config
from syncd.config import installed
from syncd.errors import ConfigError, LedgerError
from syncd.ledger import Ledger, store

REPO = Path(__file__).parent.parent
KEY = "fastgpt-key-of-the-system-0123456789"


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /etc/syncd, with two configurations."""
    folder = tmp_path / "etc"
    (folder / "docs").mkdir(parents=True)
    for name in ("config.toml", "second.toml"):
        text = '[fastgpt]\nbase_url = "http://localhost:3000"\n[[source]]\nname = "a"\npath = "docs"\ndataset = "A"\n'
        (folder / name).write_text(f"version = 1\n{text}")
    monkeypatch.setattr(installed, "FOLDER", folder)
    return folder


def _unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in (REPO / "systemd" / name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(
    ("unit", "instance"), [("syncd.service", "config"), ("syncd-sync.service", "config"), ("syncd@.service", "b")]
)
def test_the_units_say_the_same(unit: str, instance: str) -> None:
    """Ledger and key of a configuration in /etc/syncd are those that its unit gives to the service."""
    given = {key: [value.replace("%i", instance) for value in values] for key, values in _unit(unit).items()}
    path = Path(f"/etc/syncd/{instance}.toml")
    assert f"SYNCD_CONFIG={path}" in given["Environment"][0].split()
    assert Path("/var/lib") / given["StateDirectory"][0] / "ledger.db" == installed.ledger(path)
    assert f"fastgpt-api-key:{installed.key_file(path)}" == given["LoadCredential"][0]


def test_elsewhere_nothing_is_assumed() -> None:
    """A configuration outside /etc/syncd, or below it, is nobody's but its user's."""
    for path in ("/etc/config.toml", "/etc/syncd/more/config.toml", "/home/a/etc/syncd/config.toml"):
        assert (installed.ledger(Path(path)), installed.key_file(Path(path))) == (None, None)


def test_root_at_a_shell_reaches_the_service(etc: Path) -> None:
    """Without systemd's variables the ledger is the service's, and the key the one beside the configuration."""
    (etc / "fastgpt-api-key").write_text(KEY + "\n")
    (etc / "second.key").write_text(KEY[::-1])
    first = config.load(etc / "config.toml", env={"HOME": "/root"})
    assert (Path("/var/lib/syncd/ledger.db"), KEY) == (first.ledger.path, first.fastgpt.api_key.reveal())
    assert f"key {etc}/fastgpt-api-key" == first.fastgpt.api_key_origin
    second = config.load(etc / "second.toml", env={"HOME": "/root"})
    assert (Path("/var/lib/syncd-second/ledger.db"), KEY[::-1]) == (second.ledger.path, second.fastgpt.api_key.reveal())


def test_what_is_stated_wins(etc: Path) -> None:
    """STATE_DIRECTORY, [ledger] path and every stated key come before what /etc/syncd stands for."""
    (etc / "fastgpt-api-key").write_text(KEY)
    env = {"HOME": "/root", "STATE_DIRECTORY": "/state", "SYNCD_API_KEY": "another-key-0123456789"}
    given = config.load(etc / "config.toml", env=env)
    assert (Path("/state/ledger.db"), "another-key-0123456789") == (given.ledger.path, given.fastgpt.api_key.reveal())
    (etc / "config.toml").write_text((etc / "config.toml").read_text() + '[ledger]\npath = "/srv/l.db"\n')
    assert Path("/srv/l.db") == config.load(etc / "config.toml", env=env).ledger.path


def test_a_missing_or_wrong_key_of_the_system_is_told(etc: Path) -> None:
    """Without the file the message is the ordinary one; an empty one is named."""
    with pytest.raises(ConfigError, match="no API key"):
        config.load(etc / "config.toml", env={"HOME": "/root"})
    (etc / "fastgpt-api-key").write_text("\n")
    with pytest.raises(ConfigError, match="the key beside this file gives an empty"):
        config.load(etc / "config.toml", env={"HOME": "/root"})


def test_an_empty_credential_names_the_file_it_is_taken_from(etc: Path) -> None:
    """The units give an empty credential when the key's file is missing; the message names that file."""
    (etc / "credentials").mkdir()
    (etc / "credentials" / "fastgpt-api-key").write_text("")
    wanted = f"CREDENTIALS_DIRECTORY gives an empty .*; systemd takes it from {etc}/fastgpt-api-key"
    with pytest.raises(ConfigError, match=wanted):
        config.load(etc / "config.toml", env={"HOME": "/root", "CREDENTIALS_DIRECTORY": str(etc / "credentials")})


def test_a_ledger_that_may_not_be_looked_at_is_no_bug(tmp_path: Path) -> None:
    """Only absence counts as "no ledger"; whatever else hinders is an error of the ledger, with a hint."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"x")
    assert [store.exists(tmp_path / name) for name in ("file", "absent", "file/ledger.db")] == [True, False, False]
    with pytest.raises(LedgerError, match="cannot look at the ledger"):
        store.exists(tmp_path / "loop" / "ledger.db")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_root_makes_beside_a_service_belongs_to_the_service(tmp_path: Path) -> None:
    """A ledger and its lock that root makes in somebody's directory are given to him; those that exist are left."""
    os.chown(tmp_path, 12345, 12346)
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    Ledger(path).close()
    assert {"ledger.db": (12345, 12346), "ledger.db.lock": (12345, 12346)} == {
        file.name: (file.stat().st_uid, file.stat().st_gid) for file in tmp_path.iterdir()
    }


def test_the_keys_file_may_be_roots_alone(etc: Path) -> None:
    """api_key_file that names the file of the credential means the credential: the service cannot read the file."""
    text = (etc / "config.toml").read_text()
    (etc / "fastgpt-api-key").write_text(KEY)
    (etc / "credentials").mkdir()
    (etc / "credentials" / "fastgpt-api-key").write_text("handed-over-0123456789")
    env = {"HOME": "/root", "CREDENTIALS_DIRECTORY": str(etc / "credentials"), "SYNCD_API_KEY": "another-0123456789"}
    for name, key in (("fastgpt-api-key", "handed-over-0123456789"), ("other", "key-of-its-own-0123456789")):
        (etc / "other").write_text("key-of-its-own-0123456789")
        (etc / "config.toml").write_text(text.replace("[[source]]", f'api_key_file = "{name}"\n[[source]]'))
        assert key == config.load(etc / "config.toml", env=env).fastgpt.api_key.reveal()
    (etc / "config.toml").write_text(text.replace("[[source]]", 'api_key_file = "fastgpt-api-key"\n[[source]]'))
    del env["CREDENTIALS_DIRECTORY"]
    assert KEY == config.load(etc / "config.toml", env=env).fastgpt.api_key.reveal()
