"""A server under contract, spoken to with plain HTTP on purpose: no code of the product stands in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 60.0
BOUNDARY = "contract-boundary-7f3a"


def start_emulator(*arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start ``python -m syncd.emulator`` and read its greeting."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd.emulator", "--port", "0", *arguments], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def stop_emulator(process: subprocess.Popen[bytes]) -> int:
    """End it with SIGTERM and give its exit code."""
    process.terminate()
    code = process.wait(20)
    assert process.stdout is not None
    process.stdout.close()
    return code


def form(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body from (Content-Disposition parameters, content)."""
    body = bytearray()
    for disposition, content in parts:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
        body += head.encode("utf-8") + (b"Content-Type: application/octet-stream\r\n" if "file" in disposition else b"")
        body += b"\r\n" + content + b"\r\n"
    return bytes(body + f"--{BOUNDARY}--\r\n".encode())


@dataclass
class Target:
    """One server: an emulator in some dialect, or a real one."""

    name: str
    dialect: str
    base_url: str
    key: str
    app_key: str | None = None
    app_id: str | None = None
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        self.bare = httpx.Client(timeout=30)  # without a key; making a client costs 50 ms, so there is one
        self.http = httpx.Client(base_url=self.base_url + "/", headers=headers, timeout=30)

    @property
    def live(self) -> bool:
        """Whether this is a real server."""
        return self.name == "live"

    def close(self) -> None:
        """Delete what was made, and nothing else."""
        for dataset in self.made:
            self.http.request("DELETE", "core/dataset/delete", params={"id": dataset}, json={})
        self.http.close()
        self.bare.close()

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """POST JSON."""
        return self.http.post(path, json={} if body is None else body, **more)

    def get(self, path: str, **params: str) -> httpx.Response:
        """GET with parameters."""
        return self.http.get(path, params=params)

    def ok(self, response: httpx.Response) -> Any:
        """The data of a success."""
        assert response.status_code == 200, response.text[:500]
        envelope = response.json()
        assert {key: envelope[key] for key in ("code", "statusText", "message")} == {
            "code": 200,
            "statusText": "",
            "message": "",
        }
        return envelope["data"]

    def refused(self, response: httpx.Response) -> tuple[int, str]:
        """(code, statusText) of an error, after its HTTP status was checked against the dialect."""
        envelope = response.json()
        assert envelope["data"] is None
        assert envelope["code"] != 200
        assert response.status_code == (response.status_code if self.dialect == "4.16" else 500)
        assert response.status_code >= 400
        return envelope["code"], envelope["statusText"]

    def thrown(self, response: httpx.Response) -> str:
        """The message of an error without a constant."""
        assert self.refused(response) == (500, "" if self.dialect == "4.12" else "error")
        return str(response.json()["message"])

    def dataset(self, name: str = "syncd contract") -> str:
        """A new dataset, deleted at the end."""
        body = {"name": f"{name} {time.time_ns()}", "type": "dataset", "intro": "made by a test", "avatar": ""}
        dataset = str(self.ok(self.post("core/dataset/create", body)))
        self.made.append(dataset)
        return dataset

    def folder(self, dataset: str, name: str = "folder", **more: Any) -> str:
        """A new folder collection."""
        body = {"datasetId": dataset, "name": name, "type": "folder", **more}
        return str(self.ok(self.post("core/dataset/collection/create", body)))

    def virtual(self, dataset: str, name: str = "virtual", **more: Any) -> str:
        """A new empty collection."""
        body = {"datasetId": dataset, "name": name, "type": "virtual", **more}
        return str(self.ok(self.post("core/dataset/collection/create", body)))

    def send_form(self, body: bytes, timeout: float = 30) -> httpx.Response:
        """POST a multipart body to localFile."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.http.post(
            "core/dataset/collection/create/localFile", content=body, headers=headers, timeout=timeout
        )

    def send_file(self, dataset: str, name: str, content: bytes, **more: Any) -> httpx.Response:
        """Upload under a percent-encoded name."""
        data = json.dumps({"datasetId": dataset, "trainingType": "chunk", **more}).encode()
        return self.send_form(form(('name="data"', data), (f'name="file"; filename="{quote(name, safe="")}"', content)))

    def upload(self, dataset: str, name: str, content: bytes, **more: Any) -> str:
        """Upload; the collection's id."""
        return str(self.ok(self.send_file(dataset, name, content, **more))["collectionId"])

    def text(self, dataset: str, name: str, text: str, **more: Any) -> str:
        """create/text; the collection's id."""
        body = {"datasetId": dataset, "name": name, "text": text, "trainingType": "chunk", **more}
        return str(self.ok(self.post("core/dataset/collection/create/text", body))["collectionId"])

    def detail(self, collection: str) -> dict[str, Any]:
        """collection/detail."""
        data: dict[str, Any] = self.ok(self.get("core/dataset/collection/detail", id=collection))
        return data

    def progress(self, collection: str) -> dict[str, Any]:
        """trainingDetail."""
        data: dict[str, Any] = self.ok(self.get("core/dataset/collection/trainingDetail", collectionId=collection))
        return data

    def wait(self, collection: str) -> dict[str, Any]:
        """trainingDetail once nothing is left to do; fails after a while."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            progress = self.progress(collection)
            if not any(progress["trainingCounts"].values()):
                return progress
            time.sleep(0.3 if self.live else 0.01)
        raise AssertionError(f"{collection} is still in training: {progress}")

    def trained(self, collection: str) -> str:
        """Wait for success; gives the id back."""
        progress = self.wait(collection)
        assert not any(progress["errorCounts"].values()), progress
        return collection

    def rows(self, collection: str) -> list[dict[str, Any]]:
        """All data rows."""
        rows: list[dict[str, Any]] = []
        while True:
            body = {"collectionId": collection, "offset": len(rows), "pageSize": 30}
            data = self.ok(self.post("core/dataset/data/v2/list", body))
            rows += data["list"]
            if len(rows) >= data["total"] or not data["list"]:
                return rows

    def stored(self, dataset: str, name: str, content: bytes) -> str:
        """The text the server made of a file, chunks joined."""
        collection = self.trained(self.upload(dataset, name, content))
        return "\n".join(row["q"] for row in self.rows(collection))

    def listed(self, dataset: str, **more: Any) -> dict[str, Any]:
        """listV2."""
        data: dict[str, Any] = self.ok(self.post("core/dataset/collection/listV2", {"datasetId": dataset, **more}))
        return data

    def row(self, dataset: str, collection: str, parent: str | None = None) -> dict[str, Any]:
        """The collection's row in listV2; a lagging secondary gets some time."""
        end = time.monotonic() + 10
        while True:
            rows = self.listed(dataset, parentId=parent, pageSize=100)["list"]
            found = [row for row in rows if row["_id"] == collection]
            if found or time.monotonic() > end:
                return dict(found[0])
            time.sleep(0.1)

    def update(self, collection: str, **values: Any) -> None:
        """collection/update."""
        assert self.ok(self.post("core/dataset/collection/update", {"id": collection, **values})) is None

    def search(self, dataset: str, text: str, mode: str = "mixedRecall", **more: Any) -> list[dict[str, Any]]:
        """The rows of a search test."""
        body = {
            "datasetId": dataset,
            "text": text,
            "limit": 5000,
            "similarity": 0,
            "searchMode": mode,
            "usingReRank": False,
            "datasetSearchUsingExtensionQuery": False,
            **more,
        }
        data = self.ok(self.post("core/dataset/searchTest", body))
        return list(data["list"])
