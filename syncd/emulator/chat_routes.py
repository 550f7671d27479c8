"""v1/chat/completions: an app that answers with what it finds in all datasets (record, section 9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from syncd.emulator.answers import ApiError, Reply, encode, failure, thrown
from syncd.emulator.call import Call
from syncd.emulator.search_faults import Lies
from syncd.emulator.search_routes import find

_SIMILARITY = 0.2
_LIMIT = 3000
_PIECE = 12


def completions(call: Call) -> Reply:
    """Non-stream and stream. Errors of a stream arrive as an event with HTTP 200 (record, section 9)."""
    try:
        return _answer(call)
    except ApiError as error:
        if call.body.get("stream") is not True:
            return failure(error, call.core.dialect)
        text = json.dumps({"message": error.message}, ensure_ascii=False)
        return Reply(200, f"event: error\ndata: {text}\n\n".encode(), None)


def _answer(call: Call) -> Reply:
    core, body = call.core, call.body
    app = str(body.get("appId") or call.key_app or (core.app_id if call.key == "app" else ""))
    if not app:
        raise thrown("Key is error. You need to use the app key rather than the account key.")
    if app != core.app_id:
        raise ApiError(502000, "appUnExist", "common:code_error.app_error.not_exist")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        raise thrown("messages is empty")
    question = _text(messages[-1].get("content"))
    chat = str(body.get("chatId") or "")
    lies = Lies(core)
    if lies.fails:  # a failing model is HTTP 200 (observed fact 17)
        return _reply(call, chat, "", [], error="500 lab: injected failure")
    datasets = [row["id"] for row in core.store.all("select id from datasets where delete_time is null order by n")]
    quotes = find(core, datasets, question, "embedding", _SIMILARITY, _LIMIT, lies) if question else []
    content = _content(quotes)
    with core.store.change() as db:
        db.execute(
            "insert into chats (at, app, chat, custom_uid, question, answer) values (?, ?, ?, ?, ?, ?)",
            (core.now(), app, chat, body.get("customUid"), question, content),
        )
    return _reply(call, chat, content, quotes)


def _text(content: object) -> str:
    """A message's text, also of the list form."""
    if isinstance(content, list):
        return " ".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content or "")


def _content(quotes: list[dict[str, Any]]) -> str:
    if not quotes:
        return "知识库中没有找到 (nothing found in the knowledge base)"
    parts = [
        json.dumps(
            {
                "id": quote["id"],
                "sourceName": quote["sourceName"],
                "updateTime": quote["updateTime"][:16].replace("T", " "),
                "content": "\n".join(filter(None, (quote["q"], quote.get("a")))),
            },
            ensure_ascii=False,
            indent=2,
        )
        for quote in quotes[:3]
    ]
    return "根据知识库 (from the knowledge base): " + "\n".join(parts)


def _reply(call: Call, chat: str, content: str, quotes: list[dict[str, Any]], error: str | None = None) -> Reply:
    detail = call.body.get("detail") is True
    nodes = _nodes(quotes) if detail else None
    if call.body.get("stream") is True:
        stream = _stream("" if error else content, nodes)
        return Reply(200, b"", "text/event-stream; charset=utf-8", stream=stream)
    shape: dict[str, Any] = {"error": error} if error else {}
    if nodes is not None:
        shape |= {"responseData": nodes, "newVariables": {}}
    shape |= {
        "id": chat,
        "model": "",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1},
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop", "index": 0}],
    }
    return Reply(200, encode(shape))


def _nodes(quotes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes that ran, with what was quoted."""
    return [
        {"id": "start", "nodeId": "workflowStartNodeId", "moduleType": "workflowStart", "runningTime": 0},
        {
            "id": "search",
            "nodeId": "datasetSearch",
            "moduleName": "workflow:template.dataset_search",
            "moduleType": "datasetSearchNode",
            "similarity": _SIMILARITY,
            "limit": _LIMIT,
            "searchMode": "embedding",
            "quoteList": quotes,
            "runningTime": 0.01,
        },
        {"id": "chat", "nodeId": "aiChat", "moduleType": "chatNode", "model": "lab-llm", "runningTime": 0.01},
    ]


def _stream(content: str, nodes: list[dict[str, Any]] | None) -> Iterator[bytes]:
    """Server-sent events: pieces of the answer, a stop, ``[DONE]``."""
    event = "" if nodes is None else "event: answer\n"
    pieces: list[str | None] = [content[start : start + _PIECE] for start in range(0, len(content), _PIECE)]
    for piece in [*pieces, None]:
        delta = {"role": "assistant", "content": piece}
        choice = {"delta": delta, "index": 0, "finish_reason": "stop" if piece is None else None}
        chunk = {"id": "", "object": "", "created": 0, "model": "", "choices": [choice]}
        yield f"{event}data: ".encode() + encode(chunk) + b"\n\n"
    yield f"{event}data: [DONE]\n\n".encode()
    if nodes is not None:
        yield b"event: flowResponses\ndata: " + encode(nodes) + b"\n\n"
