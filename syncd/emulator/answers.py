"""Answers as FastGPT gives them: the envelope, the error constants and the HTML pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncd.emulator.dialect import Dialect


class ConnectionDropped(Exception):
    """The connection ends here without (the rest of) an answer."""


class Hang(Exception):
    """The server never answers this request."""


class ApiError(Exception):
    """An error in FastGPT's own words.

    ``status_text`` is None for a thrown text without a constant: then the dialect decides (fastgpt-api.md 1.3).
    """

    def __init__(
        self,
        code: int,
        status_text: str | None,
        message: str,
        *,
        http: int | None = None,
        zod: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.status_text, self.message, self.http, self.zod = code, status_text, message, http, zod


def thrown(message: str, code: int = 500) -> ApiError:
    """An error text without a constant."""
    return ApiError(code, None, message)


def unauthorized() -> ApiError:
    """No usable key, or a route that keys may not use."""
    return ApiError(403, "unAuthorization", "common:code_error.error_message.403")


def unknown_key() -> ApiError:
    """A well-formed key that nobody issued."""
    return ApiError(514, "unAuthApiKey", "common:code_error.error_message.514")


def no_dataset() -> ApiError:
    """The dataset does not exist, or its id is missing."""
    return ApiError(501002, "unExistDataset", "common:core.dataset.error.unExistDataset")


def no_collection() -> ApiError:
    """The collection does not exist."""
    return ApiError(501003, "unExistCollection", "common:error_collection_not_exist")


def missing_params() -> ApiError:
    """A parameter is missing."""
    return ApiError(507004, "missingParams", "error.missingParams")


def file_not_found() -> ApiError:
    """Nothing carries that external id."""
    return ApiError(507002, "fileNotFound", "error.fileNotFound", http=404)


def validation(path: list[str | int], message: str, code: str = "invalid_type", **more: Any) -> ApiError:
    """A zod schema refused the input; HTTP 400 only where statuses are real."""
    return ApiError(400, None, "Data validation error", zod=[{"code": code, "path": path, "message": message, **more}])


def bad_object_id(value: object, model: str) -> ApiError:
    """Mongoose could not read an id."""
    text = f'Cast to ObjectId failed for value "{value}" (type {_js_type(value)}) at path "_id" for model "{model}"'
    return thrown(text)


def _js_type(value: object) -> str:
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, int | float) else "Object"


@dataclass(slots=True)
class Reply:
    """One complete answer; ``stream`` replaces ``body`` for server-sent events."""

    status: int
    body: bytes
    content_type: str | None = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] | None = None


def encode(value: object) -> bytes:
    """JSON as Node writes it: no blanks, no escapes beyond need. Lone surrogates become U+FFFD, as there."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def success(data: object) -> Reply:
    """The envelope of success."""
    return Reply(200, encode({"code": 200, "statusText": "", "message": "", "data": data}))


def failure(error: ApiError, dialect: Dialect) -> Reply:
    """The envelope of an error, with the HTTP status this version would use."""
    if dialect.strict_bodies and error.status_text == "missingParams":  # there a schema refuses it first
        error = validation([], "Invalid input: a parameter is missing")
    text = dialect.unknown_status_text if error.status_text is None else error.status_text
    body: dict[str, Any] = {"code": error.code, "statusText": text, "message": error.message, "data": None}
    if error.zod is not None:
        body["zodError"] = error.zod
    return Reply(_http_status(error, dialect), encode(body))


def _http_status(error: ApiError, dialect: Dialect) -> int:
    """HTTP 500 for everything up to 4.14.10; real statuses later (fastgpt-api.md 1.3)."""
    if not dialect.real_statuses:
        return 500
    if error.http is not None:
        return error.http
    if 400 <= error.code <= 499:
        return error.code
    return 400 if 510000 <= error.code <= 510999 else 500


def text_reply(status: int, text: str) -> Reply:
    """A plain text without a content type, as Next.js answers bodies it cannot read."""
    return Reply(status, text.encode(), None)


_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/>'
    '<meta name="viewport" content="width=device-width"/><title>{title}</title></head>'
    '<body><div id="__next">{text}</div></body></html>'
)


def html_page(status: int, title: str, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An HTML page: the web app, Next.js' 404, or a proxy's error page."""
    body = _PAGE.format(title=title, text=text).encode()
    return Reply(status, body, "text/html; charset=utf-8", dict(headers or {}))
