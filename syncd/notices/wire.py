"""Messages as Slack, Feishu and everybody else read them, and their signatures. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from syncd.notices.digest import Message
from syncd.report.human import one_line, shorten

_PREFIX = "whsec_"
_LONGEST_LINE = 600  # characters; Feishu takes 20 KB in all
# Both read tags in a text: a file could be called "<!channel>.md", or "<at user_id=…>", and call everybody.
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_FEISHU = str.maketrans({"<": "＜", ">": "＞"})
_FEISHU_BUSY = frozenset({9499, 11232})  # its codes for "too many requests"


def body(message: Message, form: str, *, number: str, host: str, secret: str, now: float) -> bytes:
    """The body of one message.

    Args:
        message: what to tell.
        form: ``json`` (the shape of CloudEvents 1.0), ``slack`` or ``feishu``.
        number: the message's id.
        host: where this service runs.
        secret: signs the body where the form asks for it (Feishu); "" for none.
        now: seconds since the epoch.
    """
    document: dict[str, Any]
    said = [_brief(line) for line in message.lines]
    text = "\n".join([f"syncd on {host}: {said[0]}", *said[1:]])
    match form:
        case "slack":
            document = {"text": text.translate(_SLACK)}
        case "feishu":
            document = {"msg_type": "text", "content": {"text": text.translate(_FEISHU)}}
            if secret:
                stamp = str(int(now))
                document |= {"timestamp": stamp, "sign": feishu_sign(secret, stamp)}
        case _:
            document = {
                "specversion": "1.0",
                "id": number,
                "source": f"syncd://{host}",
                "type": f"io.syncd.{message.kind}",
                "time": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
                "subject": message.notices[0].subject if message.notices else "",
                "datacontenttype": "application/json",
                "data": {
                    "text": "\n".join(said),
                    "count": message.count,
                    "notices": [
                        {"subject": notice.subject, "text": _brief(notice.text), "hint": notice.hint}
                        for notice in message.notices
                    ],
                },
            }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _brief(line: str) -> str:
    """On one line, without what could steer a display, and not endless."""
    return shorten(one_line(line), _LONGEST_LINE)


def flaw(form: str, status: int, answer: bytes) -> tuple[str, bool]:
    """Why a message was not taken ("" when it was), and whether the same may be tried again.

    Feishu answers 200 to whatever it refuses; the reason is in the body.
    """
    if status >= 300:
        return f"HTTP {status}", not 400 <= status < 500 or status in (408, 425, 429)
    if form != "feishu":
        return "", False
    try:
        said = json.loads(answer)
        code = int(said.get("code", said.get("StatusCode", 0)))
    except (ValueError, AttributeError, TypeError):
        return "the answer is not Feishu's", False
    return (
        f"Feishu refuses it: {code} {one_line(str(said.get('msg', '')))[:200]}".strip() if code else ""
    ), code in _FEISHU_BUSY


def headers(content: bytes, *, number: str, secret: str, now: float) -> Mapping[str, str]:
    """The headers of one message; signed as Standard Webhooks asks when there is a secret."""
    found = {"content-type": "application/json"}
    if secret:
        stamp = str(int(now))
        found |= {
            "webhook-id": number,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(content, number, stamp, secret),
        }
    return found


def sign(content: bytes, number: str, stamp: str, secret: str) -> str:
    """Standard Webhooks, version 1: HMAC-SHA256 over id, time and body; a secret with ``whsec_`` is base64."""
    digest = hmac.new(_key(secret), f"{number}.{stamp}.".encode() + content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        with suppress(ValueError):  # not base64: then it is a text that happens to begin so
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    return secret.encode("utf-8", "surrogatepass")


def feishu_sign(secret: str, stamp: str) -> str:
    """Feishu's bots: the HMAC-SHA256 of nothing under the key "time, line break, secret"."""
    return base64.b64encode(hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()
