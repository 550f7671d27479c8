"""The world of `syncd demo`: a folder of documents, a local FastGPT as a process of its own, and what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import syncd
from syncd.errors import SyncdError

EDITED = "it/vpn.md"
DELETED = "it/old-printer.md"
SAVED = "it/wifi.md"
SUBFOLDER = "制度"

_VPN = """\
# Working from home

Connect with the VPN client before you open the wiki or the ticket system.
{phrase}
If the connection drops every few minutes, switch the protocol from UDP to TCP in the settings of the client.
"""
OLD_PHRASE = "The gateway is called heron.example.org and asks for the code of your hardware token."
NEW_PHRASE = "The gateway is called kingfisher.example.org and asks for a passkey instead of the old hardware token."

# Over 200 bytes of ASCII in front of Chinese text: a FastGPT 4.14 destroys such a file when it is sent as it is.
_LEAVE = """\
---
title: annual-leave
owner: human-resources@example.org
reviewed: 2026-01-15
audience: all employees of the company, in every office
keywords: leave, holiday, vacation, absence, days off, carry over, request form
---

# 年假制度

员工入职满一年后，每年享有十五天带薪年假；入职满五年后增加到二十天。
未休完的年假可以结转到次年三月底，逾期自动作废。
申请年假请提前两周在人事系统中提交，由直属主管审批。
"""

_EXPENSES = """\
差旅报销说明

出差住宿标准为一线城市每晚六百元，其他城市每晚四百元，超出部分由个人承担。
报销单须在出差结束后三十天内提交，并附上发票原件和行程单。
打车费用凭电子发票报销，每天不超过一百五十元。
"""

_DOCUMENTS: dict[str, tuple[str, str, str]] = {
    "welcome.md": (
        "utf-8",
        "English",
        "# Welcome\n\nYour first day starts at nine with a tour of the building and breakfast in the canteen.\n"
        "A colleague from your team will be your mentor for the first three months.\n",
    ),
    EDITED: ("utf-8", "English", _VPN.format(phrase=OLD_PHRASE)),
    DELETED: (
        "utf-8",
        "English",
        "# The old printer\n\n"
        "The dot matrix printer in the basement only takes endless paper from the green cupboard.\n",
    ),
    "offices.csv": (
        "utf-8",
        "a table",
        "city,address,reception\nHamburg,Elbchaussee 12,from seven to eighteen\n"
        "Porto,Rua das Flores 48,from eight to seventeen\n成都,天府大道 99 号,from nine to nineteen\n",
    ),
    f"{SUBFOLDER}/年假.md": ("utf-8", "Chinese behind English front matter", _LEAVE),
    f"{SUBFOLDER}/报销.txt": ("gbk", "Chinese, encoded as GBK", _EXPENSES),
}

QUESTIONS = (
    ("Which protocol helps when the VPN connection drops every few minutes?", EDITED),
    ("入职满五年后每年有多少天带薪年假？", f"{SUBFOLDER}/年假.md"),
)

SAVED_QUESTION = "What do guests need for the wireless network?"


def write_folder(root: Path) -> list[tuple[str, int, str]]:
    """Write the documents; returns path, size and what is special about each."""
    rows = []
    for path, (encoding, remark, text) in sorted(_DOCUMENTS.items()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode(encoding))
        rows.append((path, target.stat().st_size, remark))
    return rows


def edit(root: Path) -> None:
    """Change one sentence of one document."""
    (root / EDITED).write_text(_VPN.format(phrase=NEW_PHRASE), encoding="utf-8")


def save(root: Path) -> None:
    """Somebody writes a new document."""
    text = (
        "# Wireless network\n\nGuests need a voucher from the reception; it opens the network otter-guest for a day.\n"
    )
    (root / SAVED).write_text(text, encoding="utf-8")


def write_configuration(folder: Path, root: Path, base_url: str, key: str) -> Path:
    """Write the configuration and the key, private to this user."""
    key_file = folder / "fastgpt-api-key"
    key_file.touch(mode=0o600)
    key_file.write_text(key + "\n", encoding="ascii")
    target = folder / "config.toml"
    target.write_text(
        f"""\
version = 1

[fastgpt]
base_url = {json.dumps(base_url)}
api_key_file = "fastgpt-api-key"
search_tests_per_second = 50      # it is only ours; leave a real server's users their share

[ledger]
path = "ledger.db"
space = "demo"

[http]
listen = "127.0.0.1:0"            # any free port; 8321 without it

[[source]]
name = "handbook"
path = {json.dumps(root.name)}
dataset = "Employee handbook"
settle = "200ms"

[source.delete]
max_count = 1                     # so that the demonstration reaches it; 50 without it
grace = "24h"
""",
        encoding="utf-8",
    )
    return target


# ---------------------------------------------------------------- the server


@dataclass(frozen=True, slots=True)
class Server:
    """The running emulator."""

    base_url: str
    key: str

    async def timeline(self) -> list[dict[str, Any]]:
        """Everything that happened to collections, as the server itself saw it."""
        address = self.base_url.removesuffix("/api") + "/__emulator__/timeline"

        def fetch() -> Any:
            # A proxy of the environment has no business with a server on the loopback.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=10) as answer:
                return json.load(answer)

        found: list[dict[str, Any]] = await asyncio.to_thread(fetch)
        return found


@contextlib.asynccontextmanager
async def emulator(folder: Path) -> AsyncIterator[Server]:
    """A local FastGPT as a process of its own, ended with the block."""
    # The package may be run from its source tree; the child must find the same one from another folder.
    package = str(Path(syncd.__file__).resolve().parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "syncd.emulator", "--port", "0", "--training-seconds", "0.4", "--chunk-seconds", "0.05"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to handle; the server ends after us
    )
    assert process.stdout is not None and process.stderr is not None  # noqa: S101 - asked for above
    try:
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 20)
            greeting = json.loads(line)
        except (TimeoutError, ValueError):
            process.kill()
            said = (await process.stderr.read()).decode(errors="replace").strip()
            raise SyncdError("the local FastGPT did not start", hint=said[-300:]) from None
        yield Server(greeting["base_url"], greeting["global_key"])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()


# ---------------------------------------------------------------- what the server saw


@dataclass(frozen=True, slots=True)
class Visibility:
    """How one document was to be seen over time, by the server's own record."""

    versions: int  # that were ever visible
    gaps: int  # times at which, after the first version, none was visible
    together: float  # seconds in which two were visible


def visibility(events: Iterable[Mapping[str, Any]], path: str) -> Visibility:
    """Work out from the timeline how many versions of a document could be found at each moment.

    A version can be found when it is trained and not hidden.
    """
    hidden: set[str] = set()
    trained: set[str] = set()
    gone: set[str] = set()
    ever: set[str] = set()
    gaps = 0
    together = 0.0
    count, since = 0, 0.0
    for event in events:
        marker = (event["metadata"] or {}).get("syncd") or {}
        if marker.get("path") != path:
            continue
        collection = event["collection_id"]
        match event["event"]:
            case "hidden":
                hidden.add(collection)
            case "shown":
                hidden.discard(collection)
            case "trained":
                trained.add(collection)
            case "deleted":
                gone.add(collection)
        visible = trained - hidden - gone
        if count > 1:
            together += event["at"] - since
        if count and not visible:
            gaps += 1
        count, since = len(visible), event["at"]
        ever |= visible
    return Visibility(len(ever), gaps, together)
