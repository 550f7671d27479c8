"""A stand-in for FastGPT that answers every request after the same time and trains at once: the ceiling of a pace.

    python tests/benchmarks/quick_server.py SECONDS

Prints its port first. It knows just what a first sync of text documents asks for, and holds everything in memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

DATASET = "6b03477e83be05e0af406d6d"


def listed(
    number: str, dataset: str, name: str, kind: str, parent: str | None, metadata: dict[str, Any]
) -> dict[str, Any]:
    """A collection as FastGPT lists it when it is shown and trained."""
    return {
        "_id": number,
        "datasetId": dataset,
        "parentId": parent,
        "name": name,
        "type": kind,
        "forbid": False,
        "trainingAmount": 0,
        "dataAmount": 1,
        "metadata": metadata,
        "updateTime": "2026-01-01T00:00:00.000Z",
        "createTime": "2026-01-01T00:00:00.000Z",
    }


class Store:
    """One dataset with its collections; each document is one chunk."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, str] = {}
        self.by_line: dict[str, str] = {}
        self.named = ""

    def answer(self, path: str, query: dict[str, list[str]], body: bytes) -> Any:
        """The data of one answer."""
        route = path.rpartition("/core/dataset/")[2]
        match route:
            case "collection/create/localFile":
                return self._upload(body)
            case "collection/detail":
                return self.rows[query["id"][0]]
            case "collection/trainingDetail":
                none: dict[str, int] = {"parse": 0, "chunk": 0}
                counts = {"queuedCounts": none, "trainingCounts": none, "errorCounts": none, "trainedCount": 1}
                return {"trainingType": "chunk", **counts}
            case "detail":
                return self._dataset()
        asked = json.loads(body) if body else {}
        match route:
            case "list":
                return [self._dataset()] if self.named else []
            case "create":
                self.named = asked["name"]
                return DATASET
            case "collection/create":
                return self._add(asked["name"], "folder", asked.get("parentId"), {})
            case "collection/update":
                row = self.rows[asked.pop("id")]
                row.update({name: value for name, value in asked.items() if name in ("name", "parentId", "forbid")})
                return None
            case "collection/listV2":
                found = [row for row in self.rows.values() if row["parentId"] == asked.get("parentId")]
                found.reverse()
                first = asked["offset"]
                return {"list": found[first : first + asked["pageSize"]], "total": len(found)}
            case "data/v2/list":
                text = self.texts[asked["collectionId"]]
                return {"list": [{"_id": "d" + asked["collectionId"], "q": text, "a": ""}], "total": 1}
            case "searchTest":
                return self._search(asked["text"], asked["searchMode"])
        raise KeyError(path)

    def _dataset(self) -> dict[str, Any]:
        may = {"hasWritePer": True, "hasManagePer": True, "isOwner": True}
        return {"_id": DATASET, "name": self.named, "type": "dataset", "permission": may}

    def _add(self, name: str, kind: str, parent: str | None, metadata: dict[str, Any]) -> str:
        number = f"{len(self.rows) + 1:024x}"
        self.rows[number] = listed(number, DATASET, name, kind, parent, metadata)
        return number

    def _upload(self, body: bytes) -> dict[str, str]:
        boundary, _, rest = body.partition(b"\r\n")
        data_part, file_part = rest.split(b"\r\n" + boundary)[:2]
        data = json.loads(data_part.partition(b"\r\n\r\n")[2])
        head, _, content = file_part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        name = head.decode().partition('filename="')[2].partition('"')[0]
        text = content.decode("utf-8-sig").strip()
        number = self._add(name, "file", data["parentId"], data["metadata"])
        self.texts[number] = text
        self.by_line.update((line, number) for line in text.splitlines() if len(line) > 20)
        return {"collectionId": number}

    def _search(self, text: str, mode: str) -> dict[str, Any]:
        found = self.by_line.get(text)
        if found is None:  # part of a line
            found = next((number for line, number in self.by_line.items() if text in line or line in text), None)
        if found is None or self.rows[found]["forbid"]:
            return {"list": []}
        kinds = {"embedding": ["embedding"], "fullTextRecall": ["fullText"]}.get(mode, ["embedding", "fullText", "rrf"])
        score = [{"type": kind, "value": 0.9, "index": 0} for kind in kinds]
        return {"list": [{"collectionId": found, "q": self.texts[found], "a": "", "score": score}]}


async def serve(seconds: float) -> None:
    """Answer on a port of the loopback address until the process ends."""
    store = Store()
    refused = json.dumps({"code": 500, "statusText": "error", "message": "not known", "data": None}).encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                target = head.split(" ", 2)[1]
                length = int(head.lower().partition("content-length:")[2].partition("\r")[0] or "0")
                body = await reader.readexactly(length)
                await asyncio.sleep(seconds)
                url = urlsplit(target)
                try:
                    data = store.answer(url.path, parse_qs(url.query), body)
                    said, status = (
                        json.dumps({"code": 200, "statusText": "", "message": "", "data": data}).encode(),
                        200,
                    )
                except KeyError:
                    said, status = refused, 500
                writer.write(
                    b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    % (status, len(said))
                    + said
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 22)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
