"""What lies between syncd and the server is seen and named: proxies, names, keys that were changed, certificates."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_server import oid
from test_client_network import GOOD, KEY, Peer, against, answer, serving, upload

from syncd import config, errors, logs
from syncd.fastgpt import network, transport
from syncd.fastgpt.client import Client
from syncd.fastgpt.network import excepted, is_loopback, proxy_for, shown

NEW_KEY = "fastgpt-anothersecretkey"
REFUSED = json.dumps({"code": 514, "statusText": "unAuthApiKey", "message": "", "data": None}).encode()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("fastgpt.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost.corp", False),
        ("localhostess", False),
        ("127.0.0.1.nip.io", False),
        ("127.example.com", False),
        ("::1.example.com", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only this machine's own names and addresses are loopback; a name that begins like one is somebody else's."""
    assert expected == is_loopback(host)


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "expected"),
    [
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8", False),
        ("192.168.7.9", None, "example.org, 192.168.0.0/16", True),
        ("10.1.2.3", 80, "10.1.2.3", True),
        ("10.1.2.3", 3000, "10.1.2.3:3000", True),
        ("10.1.2.3", 80, "10.1.2.3:3000", False),
        ("fd00::5", 80, "fd00::/8", True),
        ("fd00::5", 80, "[fd00::5]:80", True),
        ("fe80::5", 80, "fd00::/8", False),
        ("kb.corp", 80, "corp", True),
        ("kb.corp", 80, ".corp", True),
        ("kb.corp", 80, "*.corp", True),
        ("kb.corp", 80, "kb.corp:80", True),
        ("kb.corp", 80, "kb.corp:81", False),
        ("kbcorp", 80, "corp", False),
        ("KB.Corp.", 80, "kb.corp", True),
        ("kb.corp", 80, "10.0.0.0/8", False),
        ("anything", 80, "*", True),
        ("anything", 80, "", False),
        ("anything", 80, ",, ,", False),
        ("10.1.2.3", 80, "10.0.0.0/99,rubbish/3", False),
    ],
)
def test_no_proxy(host: str, port: int | None, no_proxy: str, expected: bool) -> None:
    """NO_PROXY names hosts, suffixes, addresses and ranges, each perhaps with a port."""
    assert expected == excepted(host, port, no_proxy)


def test_ranges_of_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in a range of NO_PROXY is asked straight, all others through the proxy."""
    monkeypatch.setenv("http_proxy", "http://proxy.corp:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8")
    assert proxy_for("http://10.9.8.7:3000/api") is None
    assert "http://proxy.corp:3128" == proxy_for("http://11.9.8.7:3000/api")
    assert "http://proxy.corp:3128" == proxy_for("http://localhost.corp/api")


def test_a_proxy_is_named_without_its_password() -> None:
    """What is told of a proxy holds neither name nor password."""
    assert "http://proxy.corp:3128" == shown("http://anna:secret@proxy.corp:3128/")


@pytest.mark.parametrize("step", ["close", answer(status="407 Proxy Authentication Required", body=b"no")])
def test_errors_name_the_proxy(monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    """Whatever goes wrong on the way through a proxy says which one, and never its password."""

    async def main() -> str:
        peer = Peer(step)
        async with serving(peer) as base:
            where = base.removesuffix("/api").removeprefix("http://")
            monkeypatch.setenv("http_proxy", f"http://anna:hidden-word@{where}")
            async with Client("http://fastgpt.invalid/api", KEY, timeout=5) as client:
                assert f"http://{where}" == client.proxy
                with pytest.raises(errors.SyncdError) as caught:
                    await client.datasets()
            assert "hidden-word" not in caught.value.message + caught.value.hint
            return f"{caught.value.message} {caught.value.hint}" if step == "close" else where
        return ""

    said = asyncio.run(main())
    assert "127.0.0.1" in said


def test_nobody_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be reached is named, with where it was configured."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def main() -> errors.SyncdError:
        async with Client("http://fastgpt.invalid/api", KEY, timeout=5) as client:
            with pytest.raises(errors.Unavailable) as caught:
                await client.datasets()
            return caught.value

    error = asyncio.run(main())
    assert "through the proxy http://127.0.0.1:9" in error.message
    assert "no_proxy" in error.hint


def test_a_name_that_nobody_knows_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name that cannot be resolved is no server that does not run."""

    def unknown(*_args: Any, **_more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def main() -> errors.SyncdError:
        async with Client("http://fastgpt.corp/api", KEY, timeout=5) as client:
            with pytest.raises(errors.Unavailable) as caught:
                await client.datasets()
            return caught.value

    error = asyncio.run(main())
    assert "The name 'fastgpt.corp' of the server cannot be resolved: Name or service not known" in error.message
    assert "getent hosts fastgpt.corp" in error.hint


def test_a_slow_name_service_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the connection is not there in time because nobody says where the host is, just that is said."""
    go_on = threading.Event()
    trusted = socket.getaddrinfo

    def slow(host: Any, *args: Any, **more: Any) -> Any:
        if host == "fastgpt.corp":
            go_on.wait(10)
        return trusted("127.0.0.1", *args, **more)

    class Never(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectTimeout("timed out", request=request)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(network, "_NAME_PATIENCE", 0.1)
    monkeypatch.setattr(transport, "resolves_slowly", lambda host, port: network.resolves_slowly(host, port, 0.1))

    async def ask(base: str) -> str:
        async with Client(base, KEY, timeout=5, transport=Never()) as client:
            with pytest.raises(errors.Unavailable) as caught:
                await client.datasets()
            return caught.value.message

    assert "'fastgpt.corp' is not resolved in time" in asyncio.run(ask("http://fastgpt.corp/api"))
    assert "cannot be reached" in asyncio.run(ask("http://127.0.0.1:9/api"))
    go_on.set()


@pytest.mark.parametrize("value", ["gzip", "GZIP", "GZip", " x-gzip "])
def test_an_encoding_in_any_case(value: str) -> None:
    """The name of a content encoding is read whatever its case (RFC 9110, 8.4.1)."""
    body = gzip.compress(json.dumps({"code": 200, "statusText": "", "message": "", "data": []}).encode())

    async def act(client: Client) -> None:
        assert [] == await client.datasets()

    against((answer(body=body, headers=f"Content-Encoding: {value}\r\n"),), act)


# ---------------------------------------------------------------- a key that was changed


def _with_key(*script: Any, renewed: str | None, times: int) -> list[str]:
    """Ask so often; returns how each ended, and last the key that was in use."""

    async def main() -> list[str]:
        peer = Peer(*script)
        told: list[str] = []
        async with serving(peer) as base, Client(base, KEY, renewed=lambda: renewed) as client:
            for _ in range(times):
                try:
                    await client.datasets()
                except errors.SyncdError as error:
                    assert KEY not in error.message
                    assert NEW_KEY not in error.message
                    told.append(type(error).__name__)
                else:
                    told.append("fine")
            told.append(client._key)
        return told

    return asyncio.run(main())


def test_a_rotated_key_is_used() -> None:
    """When the server refuses the key and its file holds another one, that is used; nobody has to restart anything."""
    refused = answer(status="500 Error", body=REFUSED)
    assert ["Unavailable", "fine", NEW_KEY] == _with_key(refused, answer([]), renewed=NEW_KEY, times=2)
    assert ["AccountRefused", "AccountRefused", KEY] == _with_key(refused, renewed=KEY, times=2)
    assert ["AccountRefused", KEY] == _with_key(refused, renewed=None, times=1)
    assert ["Unavailable", "AccountRefused", NEW_KEY] == _with_key(refused, renewed=NEW_KEY, times=2)


def test_a_good_answer_reads_no_file() -> None:
    """The file is read when the key is refused, and not otherwise."""
    assert ["fine", KEY] == _with_key(answer([]), renewed=NEW_KEY, times=1)


def test_an_upload_that_was_refused_is_sent_with_the_new_key() -> None:
    """A refused upload is the server's trouble once more, and goes through the next time."""

    async def main() -> None:
        peer = Peer(answer(status="500 Error", body=REFUSED), GOOD)
        async with serving(peer) as base, Client(base, KEY, renewed=lambda: NEW_KEY) as client:
            with pytest.raises(errors.Unavailable, match="another one by now"):
                await upload(client)
            assert oid("c1") == await upload(client)

    asyncio.run(main())


def test_the_new_key_is_written_nowhere() -> None:
    """Whatever redacts knows a key that was read later as well."""
    redactor = logs.Redactor([KEY])
    logs.conceal(NEW_KEY)
    assert "*** ***" == redactor.text(f"{KEY} {NEW_KEY}")
    assert NEW_KEY not in redactor.line(f"Bearer {NEW_KEY}")


def _config(folder: Path, more: str = "") -> config.Config:
    (folder / "key").write_text(KEY + "\n")
    path = folder / "config.toml"
    path.write_text(
        f'version = 1\n[fastgpt]\nbase_url = "https://h/api"\napi_key_file = "key"\n{more}'
        '[[source]]\nname = "a"\npath = "a"\ndataset = "d"\n'
    )
    return config.load(path, env={"HOME": str(folder)})


def test_the_file_of_the_key_is_known(tmp_path: Path) -> None:
    """The configuration says where the key can be read again; what is there and no key is none."""
    from syncd.config import apikey

    loaded = _config(tmp_path)
    assert tmp_path / "key" == loaded.fastgpt.api_key_file
    (tmp_path / "key").write_text(NEW_KEY + "\n")
    assert NEW_KEY == apikey.again(tmp_path / "key")
    for text in ("", "two words", "ключ"):
        (tmp_path / "key").write_text(text)
        assert apikey.again(tmp_path / "key") is None
    (tmp_path / "key").unlink()
    assert apikey.again(tmp_path / "key") is None


@pytest.mark.parametrize("text", ["", "this is no certificate", "-----BEGIN CERTIFICATE-----\nrubbish\n"])
def test_check_opens_the_certificates(tmp_path: Path, text: str) -> None:
    """A file of certificates that holds none is found before the server is asked."""
    (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(errors.ConfigError) as caught:
        _config(tmp_path, 'ca_file = "ca.pem"\n')
    assert "config.toml:5" in caught.value.problems[0]
    assert "without usable certificates" in caught.value.problems[0]
