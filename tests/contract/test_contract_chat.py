"""v1/chat/completions."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest
from contract_target import Target

pytestmark = pytest.mark.emulator_only

NUMBERS = itertools.count(1)
MESSAGES = [{"role": "user", "content": "In how many days can a refund be requested?"}]


@pytest.fixture
def answerable(target: Target, dataset: str) -> str:
    """A document the app can answer from."""
    text = f"A refund can be requested within seven days. ({next(NUMBERS)})"  # equal texts would be merged
    return target.trained(target.text(dataset, "refund", text))


def ask(target: Target, key: str | None, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    body = {"messages": MESSAGES, **body}
    return target.bare.post(f"{target.base_url}/v1/chat/completions", json=body, headers=headers)


def test_the_app_key_answers(target: Target, answerable: str) -> None:
    """An answer has OpenAI's shape, quotes the knowledge base, and is kept under its customUid."""
    response = ask(target, target.app_key, chatId="c-1", customUid="user-42")
    body = response.json()
    assert (response.status_code, body["id"], body["usage"]["total_tokens"]) == (200, "c-1", 1)
    assert "within seven days" in body["choices"][0]["message"]["content"]
    chats = target.bare.get(target.base_url.removesuffix("/api") + "/__emulator__/chats").json()
    assert [(chat["chatId"], chat["customUid"]) for chat in chats][-1] == ("c-1", "user-42")


def test_detail_names_the_collections(target: Target, answerable: str) -> None:
    """With detail the quotes of the dataset search are listed with their collections."""
    nodes = ask(target, target.app_key, detail=True).json()["responseData"]
    quotes = [quote for node in nodes for quote in node.get("quoteList", [])]
    assert answerable in [quote["collectionId"] for quote in quotes]


def test_the_global_key_needs_an_app(target: Target, answerable: str) -> None:
    """A global key is refused without appId and works with it, in the body or behind the key."""
    response = ask(target, target.key)
    assert target.thrown(response) == "Key is error. You need to use the app key rather than the account key."
    assert ask(target, target.key, appId=target.app_id).status_code == 200
    assert ask(target, f"{target.key}-{target.app_id}").status_code == 200


def test_streams(target: Target, answerable: str) -> None:
    """A stream is made of pieces, a stop and [DONE]; an error is an event with HTTP 200."""
    response = ask(target, target.app_key, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0] for event in events[:-1]]
    assert "within seven days" in "".join(piece["delta"]["content"] or "" for piece in pieces)
    assert pieces[-1]["finish_reason"] == "stop"
    refused = ask(target, target.key, stream=True)
    assert (refused.status_code, refused.text.splitlines()[0]) == (200, "event: error")


def test_no_messages(target: Target) -> None:
    """Without messages there is nothing to answer."""
    assert target.thrown(ask(target, target.app_key, messages=[])) == "messages is empty"
