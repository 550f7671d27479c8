"""Messages as Slack, Feishu and everybody else read them, and their signatures. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from syncd.notices.digest import Message

_PREFIX = "whsec_"


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
    text = f"syncd on {host}: {message.text}"
    match form:
        case "slack":
            document = {"text": text}
        case "feishu":
            document = {"msg_type": "text", "content": {"text": text}}
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
                "subject": message.notices[0].subject,
                "datacontenttype": "application/json",
                "data": {
                    "text": message.text,
                    "count": message.count,
                    "notices": [
                        {"subject": notice.subject, "text": notice.text, "hint": notice.hint}
                        for notice in message.notices
                    ],
                },
            }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


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
    key = base64.b64decode(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret.encode()
    digest = hmac.new(key, f"{number}.{stamp}.".encode() + content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def feishu_sign(secret: str, stamp: str) -> str:
    """Feishu's bots: the HMAC-SHA256 of nothing under the key "time, line break, secret"."""
    return base64.b64encode(hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()).decode()
