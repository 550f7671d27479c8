"""A FastGPT that says what a test wrote down, in the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
from virtual_loop import run

from syncd.fastgpt.client import Client
from syncd.models import Marker, Training


def oid(name: str) -> str:
    """An id as MongoDB makes them, to be recognised by a short name."""
    return name.encode().hex().ljust(24, "0")


C1, D1 = oid("c1"), oid("d1")
KEY = "fastgpt-verysecretkey"
BASE = "http://kb.example/sub/api"
MARKER = Marker("sp", "led", "doc", "rev", "att", "handbook", "人事/请假.md", "ab" * 32, "s1")
Handler = Callable[[httpx.Request], Any]


def ok(data: Any = None) -> httpx.Response:
    return httpx.Response(200, json={"code": 200, "statusText": "", "message": "", "data": data})


def no(code: int, status_text: str, message: str = "", status: int = 500, **headers: str) -> httpx.Response:
    body = {"code": code, "statusText": status_text, "message": message, "data": None}
    return httpx.Response(status, json=body, headers=headers)


def html(status: int) -> httpx.Response:
    return httpx.Response(status, html="<html><title>404: This page could not be found</title></html>")


class Server:
    """Answers from a function, or from a list in order; keeps what came."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        answer = self.answers[0] if callable(self.answers[0]) else self.answers.pop(0)
        if callable(answer):
            answer = answer(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> Client:
        return Client(BASE, KEY, transport=httpx.MockTransport(self), **options)

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.seen]


def call(server: Server, act: Callable[[Client], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with server.client(**options) as client:
            return await act(client)

    return run(main())


def upload(client: Client, **changes: Any) -> Coroutine[Any, Any, Any]:
    wanted: dict[str, Any] = {
        "dataset_id": "d1",
        "parent_id": None,
        "filename": "%E8%AF%B7%E5%81%87.md",
        "content_type": "text/markdown",
        "body": "请假".encode(),
        "size": 6,
        "marker": MARKER,
        "training": Training("chunk"),
        "tags": ("t",),
    }
    return client.upload(**{**wanted, **changes})


ROW = {
    "_id": C1,
    "parentId": None,
    "name": "请假.md",
    "type": "file",
    "trainingAmount": 0,
    "dataAmount": 3,
    "updateTime": "2026-11-22T19:50:26.966Z",
    "permission": {"isOwner": True},
}
