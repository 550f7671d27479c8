"""`syncd doctor`: each thing that can be wrong is found, named, and comes with what to do."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path

import pytest
from cli_site import Site, html_server, server, start_server, stop_server

from syncd import doctor
from syncd.filesystems import file_system


def examine(site: Site, **env: str) -> dict[str, doctor.Finding]:
    """The findings by check; of several with one name the gravest."""
    order = ("ok", "warning", "error")
    found: dict[str, doctor.Finding] = {}
    for finding in asyncio.run(doctor.examine(site.tmp / "config.toml", env)):
        known = found.get(finding.check)
        if known is None or order.index(finding.level) > order.index(known.level):
            found[finding.check] = finding
    return found


def levels(findings: dict[str, doctor.Finding], level: str) -> set[str]:
    """The checks with this level."""
    return {check for check, finding in findings.items() if finding.level == level}


def test_all_is_well(tmp_path: Path) -> None:
    """Where everything is right, nothing is complained about and the key is known to be global."""
    findings = examine(Site(tmp_path))

    assert set() == levels(findings, "error") | levels(findings, "warning")
    assert findings["kind of key"].message == "this is a global key"


def test_a_server_on_which_nobody_has_logged_in(tmp_path: Path) -> None:
    """It makes no dataset, whatever the request says; the remedy is one look at its web page (R15)."""
    process, fresh = start_server("--nobody-logged-in")
    try:
        finding = examine(Site(tmp_path, server=fresh))["making datasets"]
        site = Site(tmp_path, server=fresh)
        site.fill(1)
        result = site.run("sync", "--timeout", "1s")
    finally:
        stop_server(process)
    assert ("error", 77) == (finding.level, finding.exit_code)
    assert "Log in to FastGPT's web page once" in finding.hint
    assert 77 == result.code
    assert "web page once" in result.out


def test_app_key(tmp_path: Path) -> None:
    """An app-specific key works on datasets today, and is told apart all the same."""
    findings = examine(Site(tmp_path, key=server().app_key))

    assert {"kind of key"} == levels(findings, "warning")


@pytest.mark.parametrize(("key", "code", "word"), [("fastgpt-wrongwrongwrongwrongwrong", 77, "key"), ("x", 77, "key")])
def test_refused_key(tmp_path: Path, key: str, code: int, word: str) -> None:
    """A key that the server refuses is 77, and the hint speaks of the key."""
    finding = examine(Site(tmp_path, key=key))["server"]

    assert ("error", code) == (finding.level, finding.exit_code)
    assert word in finding.hint.lower()


def test_web_page_instead_of_the_api(tmp_path: Path) -> None:
    """A page where JSON should be is a wrong address, 76, and the hint speaks of base_url."""
    with html_server() as address:
        finding = examine(Site(tmp_path, base_url=address, key="fastgpt-somebody"))["server"]

    assert (finding.level, finding.exit_code) == ("error", 76)
    assert "base_url" in finding.hint


def test_nobody_there(tmp_path: Path) -> None:
    """A server that cannot be reached is 69."""
    finding = examine(Site(tmp_path, base_url="http://127.0.0.1:9/api", key="fastgpt-somebody"))["server"]

    assert (finding.level, finding.exit_code) == ("error", 69)


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is named, with what becomes of the source."""
    site = Site(tmp_path)
    site.docs.rmdir()
    finding = examine(site)["source docs"]

    assert (finding.level, finding.exit_code) == ("error", 6)
    assert "mount" in finding.hint


def test_damaged_ledger(tmp_path: Path) -> None:
    """A file that is no database is not guessed over."""
    site = Site(tmp_path)
    (tmp_path / "ledger.db").write_bytes(b"this is not a database, but it is long enough to be read as one" * 100)
    finding = examine(site)["ledger"]

    assert (finding.level, finding.exit_code) == ("error", 65)


def test_two_datasets_of_one_name(tmp_path: Path) -> None:
    """Two datasets of one name are an error that names both ids."""
    import httpx

    site = Site(tmp_path)
    headers = {"Authorization": f"Bearer {site.key}"}
    body = {"name": tmp_path.name, "type": "dataset", "intro": "", "avatar": ""}
    ids = [
        httpx.post(f"{site.base_url}/core/dataset/create", json=body, headers=headers).json()["data"] for _ in range(2)
    ]
    finding = examine(site)[f"dataset {tmp_path.name}"]

    assert (finding.level, finding.exit_code) == ("error", 78)
    assert all(id_ in finding.message for id_ in ids)


def test_wrong_configuration(tmp_path: Path) -> None:
    """Without a configuration that can be read, its problems are the findings."""
    site = Site(tmp_path)
    (tmp_path / "config.toml").write_text("version = 1\n")
    findings = asyncio.run(doctor.examine(tmp_path / "config.toml", {}))

    assert {78} == {finding.exit_code for finding in findings}
    assert site.docs.exists()


def test_bundle_holds_no_secret(tmp_path: Path) -> None:
    """The bundle for a bug report has findings, versions and configuration, and the key nowhere."""
    site = Site(tmp_path)
    text = (tmp_path / "config.toml").read_text().replace('api_key_file = "key"', f'api_key = "{site.key}"')
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "config.toml").chmod(0o600)
    target = tmp_path / "bundle.zip"
    asyncio.run(doctor.bundle(tmp_path / "config.toml", {}, target))

    with zipfile.ZipFile(target) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"findings.json", "versions.json", "configuration.txt", "ledger.json"} == set(contents)
    assert not any(site.key in content for content in contents.values())
    assert json.loads(contents["findings.json"])


def test_file_system_of_proc() -> None:
    """The kernel's own name of a file system is what is told."""
    assert file_system(Path("/proc/self")) == "proc"
