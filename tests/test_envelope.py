"""Every known answer of FastGPT, and of what may stand in front of it, by tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncd import errors
from syncd.fastgpt import endpoints as to
from syncd.fastgpt import refusals
from syncd.fastgpt.envelope import (
    CollectionMissing,
    DatasetMissing,
    RouteMissing,
    Unreadable,
    clean,
    decode,
    retry_after,
)
from syncd.fastgpt.reading import Misshapen
from syncd.fastgpt.rules import BY_CODE, BY_STATUS_TEXT, BY_TEXT, Kind

HTML = b"<!DOCTYPE html><html><head><title>404: This page could not be found</title></head><body>x</body></html>"
NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center><hr>nginx</body></html>\r\n"


def envelope(code: int, status_text: str = "error", message: str = "", **more: Any) -> bytes:
    return json.dumps({"code": code, "statusText": status_text, "message": message, "data": None, **more}).encode()


def raised(endpoint: to.Endpoint, status: int, body: bytes, headers: dict[str, str] | None = None, **kw: Any) -> Any:
    with pytest.raises(errors.SyncdError) as caught:
        decode(endpoint, status, headers or {}, body, **kw)
    assert caught.value.message and caught.value.message.isprintable()
    return caught.value


# ------------------------------------------------------------ success


@pytest.mark.parametrize("data", [None, "id", [], {"list": []}, 0, False, "说明"])
def test_success_gives_the_data(data: Any) -> None:
    body = json.dumps({"code": 200, "statusText": "", "message": "", "data": data}, ensure_ascii=False).encode()
    assert decode(to.LIST, 200, {}, body) == data


@pytest.mark.parametrize("status", [201, 400, 500])
def test_success_needs_both_statuses(status: int) -> None:
    assert isinstance(raised(to.LIST, status, envelope(200, "")), errors.Unavailable)


# ------------------------------------------------------------ FastGPT's own refusals

REFUSALS = [
    # (endpoint, HTTP status, code, statusText, message, class, word of the hint)
    (to.DATASETS, 500, 514, "unAuthApiKey", "common:code_error.error_message.514", errors.AccountRefused, "global key"),
    (to.DATASETS, 200, 514, "unAuthApiKey", "", errors.AccountRefused, "global key"),  # up to 4.8.17
    (to.DATASETS, 500, 403, "unAuthorization", "", errors.AccountRefused, "API key"),
    (to.DATASETS, 403, 403, "unAuthorization", "", errors.AccountRefused, "API key"),  # from 4.14.11
    (to.DATASETS, 500, 514, "somethingNew", "", errors.AccountRefused, "global key"),
    (to.DATASETS, 500, 403, "", "", errors.AccountRefused, "API key"),
    (to.UPLOAD, 500, 501004, "unAuthDataset", "", errors.AccountRefused, "permission"),
    (to.UPLOAD, 500, 501001, "unAuthDataset", "", errors.AccountRefused, "permission"),  # 4.8.10's number
    (to.DELETE, 500, 501005, "unAuthDatasetCollection", "", errors.AccountRefused, "manage"),
    (to.SEARCH, 500, 510, "insufficientQuota", "", errors.AccountRefused, "top up"),
    (to.SEARCH, 500, 500004, "aiPointsNotEnough", "", errors.AccountRefused, "top up"),
    (to.UPLOAD, 500, 500005, "datasetSizeNotEnough", "", errors.AccountRefused, "plan"),
    (to.CREATE_DATASET, 500, 509004, "licenseDatasetAmountLimit", "", errors.AccountRefused, "license"),
    (to.SEARCH, 500, 506002, "openapiExceedLimit", "", errors.AccountRefused, "renew"),
    (to.UPLOAD, 400, 510002, "FileUploadDisabled", "", errors.AccountRefused, "administrator"),
    (
        to.CHAT,
        500,
        500,
        "error",
        "Key is error. You need to use the app key rather than the account key.",
        errors.AccountRefused,
        "app",
    ),
    (to.SEARCH, 429, 429, "tooManyRequest", "", errors.RateLimited, "waits"),
    (to.SEARCH, 500, 429, "error", "", errors.RateLimited, "waits"),
    (to.SEARCH, 500, 500, "error", "Too many request, request 15 times every 1 seconds", errors.RateLimited, "waits"),
    (to.UPLOAD, 429, 429, "uploadFileIntervalLimit", "", errors.OutcomeUnknown, "looks"),
    (to.DETAIL, 500, 501003, "unExistCollection", "common:error_collection_not_exist", CollectionMissing, ""),
    (to.DELETE, 500, 500, "", "Collection is not exist", CollectionMissing, ""),  # up to 4.8.23
    (
        to.DETAIL,
        500,
        500,
        "error",
        'Cast to ObjectId failed for value "zzz" (type string) at path "_id" for model "dataset_collections"',
        CollectionMissing,
        "",
    ),
    (to.DATASET, 500, 501002, "unExistDataset", "", DatasetMissing, "`dataset`"),
    (to.UPLOAD, 500, 501000, "unExistDataset", "", DatasetMissing, "`dataset`"),
    (
        to.DATASET,
        500,
        500,
        "error",
        'Cast to ObjectId failed for value "x" (type string) at path "_id" for model "datasets"',
        DatasetMissing,
        "no dataset id",
    ),
    (to.DETAIL, 500, 500, "error", "Invalid dataset file key", Unreadable, "migration"),
    (to.LIST, 500, 507004, "missingParams", "", errors.Incompatible, "upgrade"),
    (to.LIST, 400, 400, "error", "Data validation error", errors.Unavailable, "log"),
    (to.SEARCH, 500, 501010, "invalidVectorModelOrQAModel", "", errors.Unavailable, "model"),
    (to.SEARCH, 500, 500, "error", "connect ECONNREFUSED 10.0.0.1:5432", errors.Unavailable, "log"),
    (to.UPDATE, 500, 500, "error", "Caused by :: Write conflict", errors.Unavailable, "log"),
    (to.CREATE_FOLDER, 500, 500, "error", "strange", errors.OutcomeUnknown, "looks"),
    (to.CREATE_DATASET, 500, 500, "error", "strange", errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 500, 500, "error", "read ECONNRESET", errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 500, 501010, "invalidVectorModelOrQAModel", "", errors.OutcomeUnknown, "looks"),
    (to.UPDATE, 413, 500, "error", "EntityTooLarge", errors.Unavailable, "Split"),  # what is sent there is small
    (to.UPDATE, 429, 429, "tooManyRequest", "", errors.RateLimited, "waits"),
    (to.TRAINING, 500, 403, "unAuthorization", "", RouteMissing, "4.10"),
    (to.TRAINING_ERRORS, 403, 403, "unAuthorization", "", RouteMissing, "4.10"),
    (to.TRAINING, 500, 514, "unAuthApiKey", "", errors.AccountRefused, "global key"),
    (to.LIST, 500, 500, "error", "未配置商业版链接: core,dataset,tag", RouteMissing, "commercial"),
    (to.SEARCH, 503, 503, "error", "busy", errors.Unavailable, ""),
]


@pytest.mark.parametrize(("endpoint", "status", "code", "status_text", "message", "kind", "hint"), REFUSALS)
def test_refusals(
    endpoint: to.Endpoint, status: int, code: int, status_text: str, message: str, kind: type, hint: str
) -> None:
    error = raised(endpoint, status, envelope(code, status_text, message))
    assert type(error) is kind
    assert hint in error.hint
    assert endpoint.name in error.message


PERMANENT = [
    (to.UPLOAD, 400, 510000, "InvalidUploadFileType", "", "unsupported"),
    (to.UPLOAD, 400, 510001, "UploadFileTypeMismatch", "", "unsupported"),
    (to.UPLOAD, 500, 500, "error", "File too large", "too-large"),
    (to.UPLOAD, 413, 500, "error", "EntityTooLarge", "too-large"),
    (to.UPLOAD, 500, 500, "error", "URI malformed", "upload-failed"),
    (to.CREATE_FOLDER, 400, 507006, "folderDepthLimit", "", "upload-failed"),
    (to.UPDATE, 400, 507007, "folderMoveDepthLimit", "", "upload-failed"),
]


@pytest.mark.parametrize(("endpoint", "status", "code", "status_text", "message", "problem"), PERMANENT)
def test_permanent(endpoint: to.Endpoint, status: int, code: int, status_text: str, message: str, problem: str) -> None:
    error = raised(endpoint, status, envelope(code, status_text, message))
    assert type(error) is errors.Permanent
    assert error.code == problem
    assert error.hint


def test_what_is_permanent_for_a_file_is_the_servers_trouble_elsewhere() -> None:
    assert type(raised(to.SEARCH, 500, envelope(500, "error", "Q Over Tokens"))) is errors.Unavailable


# Not known to be said before the work: it counts only after a look has found nothing (law 3).
CAUSES = [
    (to.UPLOAD, 500, 501008, "unCreateCollection", "", errors.Permanent, "upload-failed"),
    (to.UPLOAD, 500, 500, "error", "Q Over Tokens", errors.Permanent, "upload-failed"),
    (to.UPLOAD, 500, 500, "error", "Invalid array length", errors.Permanent, "upload-failed"),
    (to.UPLOAD, 500, 500, "error", "S3 is asleep", errors.Transient, "upload-failed"),
    (to.UPLOAD, 429, 429, "uploadFileIntervalLimit", "", errors.RateLimited, "rate-limited"),
    (to.CREATE_FOLDER, 500, 500, "error", "strange", errors.Unavailable, "server-unreachable"),
]


@pytest.mark.parametrize(("endpoint", "status", "code", "status_text", "message", "kind", "what"), CAUSES)
def test_an_unknown_outcome_keeps_what_the_answer_seemed_to_say(
    endpoint: to.Endpoint, status: int, code: int, status_text: str, message: str, kind: type, what: str
) -> None:
    error = raised(endpoint, status, envelope(code, status_text, message))
    assert type(error) is errors.OutcomeUnknown
    assert (type(error.cause), error.cause.code) == (kind, what)
    assert (message or status_text) in error.message


def test_refused_schema() -> None:
    size = [{"origin": "number", "code": "too_small", "minimum": 0, "path": ["size"], "message": "Too small"}]
    error = raised(to.UPLOAD, 500, envelope(400, "error", "Data validation error", zodError=size))
    assert (type(error), error.code) == (errors.Permanent, "empty")  # observed fact 9
    other = [{"code": "invalid_type", "path": ["tags"], "message": "expected array"}]
    error = raised(to.UPLOAD, 400, envelope(400, "error", "Data validation error", zodError=other))
    assert (type(error), error.cause.code) == (errors.OutcomeUnknown, "upload-failed")
    assert "tags" in error.message
    assert type(raised(to.LIST, 400, envelope(400, "error", "", zodError=other))) is errors.Incompatible


@pytest.mark.parametrize("endpoint", [to.UPLOAD, to.CREATE_FOLDER, to.CREATE_DATASET, to.UPDATE, to.DELETE])
def test_only_what_is_said_before_any_work_is_a_refusal(endpoint: to.Endpoint) -> None:
    """The table of known refusals, call by call: what is not in it proves nothing (law 3)."""
    doubts = (errors.OutcomeUnknown, errors.Unavailable, errors.RateLimited)
    for text, calls in refusals.BY_STATUS_TEXT.items():
        refused = type(raised(endpoint, 500, envelope(500, text))) not in doubts
        assert refused == (endpoint.name in calls), text
    for code, calls in refusals.BY_CODE.items():
        assert (type(raised(endpoint, 500, envelope(code))) not in doubts) == (endpoint.name in calls), code
    for text in set(BY_STATUS_TEXT) - set(refusals.BY_STATUS_TEXT):
        assert type(raised(endpoint, 500, envelope(500, text))) in doubts, text


def test_the_table_of_refusals_is_short() -> None:
    """Each line of it is a claim about FastGPT's source; nobody looks through a long list of them."""
    assert len(refusals.BY_STATUS_TEXT) + len(refusals.BY_CODE) + len(refusals.BY_TEXT) <= 40


def test_status_text_goes_before_code_and_code_before_words() -> None:
    assert type(raised(to.DETAIL, 500, envelope(514, "unExistCollection", "Too many request"))) is CollectionMissing
    assert type(raised(to.DETAIL, 500, envelope(514, "error", "Too many request"))) is errors.AccountRefused
    assert type(raised(to.DETAIL, 503, envelope(500, "error", "Too many request"))) is errors.RateLimited


def test_what_is_missing_is_named() -> None:
    assert raised(to.DETAIL, 500, envelope(501003, "unExistCollection")).what == "collection"
    assert raised(to.LIST, 500, envelope(501002, "unExistDataset")).what == "dataset"


def test_every_rule_that_stops_work_names_a_remedy() -> None:
    for rule in (*BY_STATUS_TEXT.values(), *BY_CODE.values(), *(rule for _, rule in BY_TEXT)):
        assert rule.hint or rule.kind in (Kind.RATE, Kind.NO_COLLECTION)


# ------------------------------------------------------------ not FastGPT

OUTSIDE = [
    # (endpoint, HTTP status, headers, body, class, word of the hint)
    (to.LIST, 200, {"content-type": "text/html"}, HTML, errors.Incompatible, "/api"),
    (to.UPLOAD, 200, {"content-type": "text/html"}, HTML, errors.OutcomeUnknown, "looks"),
    (to.LIST, 404, {"content-type": "text/html"}, HTML, RouteMissing, "/api"),
    (to.UPLOAD, 404, {"content-type": "text/html"}, HTML, errors.OutcomeUnknown, "looks"),
    (to.LIST, 404, {}, b"404 page not found", RouteMissing, "/api"),
    (to.LIST, 404, {}, b'{"detail":"Not Found"}', RouteMissing, "/api"),
    (to.UPLOAD, 405, {}, b'{"detail":"Method Not Allowed"}', errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 301, {"location": "https://kb.example/api"}, b"", errors.OutcomeUnknown, "looks"),
    (to.UPDATE, 302, {"location": "https://sso.example/login"}, HTML, errors.Unavailable, "login page"),
    (to.LIST, 302, {"location": "https://sso.example/login"}, HTML, errors.Incompatible, "login page"),
    (to.LIST, 308, {}, b"", errors.Incompatible, "/api"),
    (to.LIST, 502, {}, NGINX.format("502 Bad Gateway").encode(), errors.Unavailable, ""),
    (to.LIST, 503, {}, NGINX.format("503").encode(), errors.Unavailable, ""),
    (to.LIST, 504, {}, NGINX.format("504").encode(), errors.Unavailable, ""),
    (to.LIST, 500, {}, NGINX.format("500").encode(), errors.Unavailable, ""),
    (to.LIST, 408, {}, b"", errors.Unavailable, ""),
    (to.LIST, 503, {}, b'{"message":"no healthy upstream"}', errors.Unavailable, ""),
    (to.UPLOAD, 502, {}, NGINX.format("502 Bad Gateway").encode(), errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 504, {}, NGINX.format("504 Gateway Time-out").encode(), errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 504, {}, b'{"message":"upstream timed out"}', errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 500, {}, b"Internal Server Error", errors.OutcomeUnknown, "looks"),
    (to.CREATE_FOLDER, 504, {}, b"", errors.OutcomeUnknown, "looks"),
    (to.CREATE_DATASET, 502, {}, b"", errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 503, {}, NGINX.format("503").encode(), errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 503, {}, b"upstream connect error or disconnect/reset before headers", errors.OutcomeUnknown, "looks"),
    (to.UPLOAD, 429, {}, NGINX.format("429").encode(), errors.OutcomeUnknown, "looks"),
    (
        to.UPLOAD,
        413,
        {},
        NGINX.format("413 Request Entity Too Large").encode(),
        errors.OutcomeUnknown,
        "looks",
    ),
    (to.UPLOAD, 413, {}, b"Body exceeded 10mb limit", errors.OutcomeUnknown, "looks"),
    (to.UPDATE, 413, {}, b"Body exceeded 10mb limit", errors.Unavailable, "client_max_body_size"),
    (to.SEARCH, 413, {}, b"Body exceeded 10mb limit", errors.Incompatible, "client_max_body_size"),
    (to.LIST, 401, {}, NGINX.format("401 Authorization Required").encode(), errors.AccountRefused, "proxy"),
    (to.UPLOAD, 403, {}, NGINX.format("403 Forbidden").encode(), errors.OutcomeUnknown, "looks"),
    (to.DELETE, 403, {}, NGINX.format("403 Forbidden").encode(), errors.Unavailable, "proxy"),
    (to.LIST, 400, {}, b"Invalid JSON", errors.Incompatible, "/api"),
    (to.LIST, 200, {}, b'{"hello":"world"}', errors.Incompatible, "/api"),
    (to.LIST, 200, {}, b"[1]", errors.Incompatible, "/api"),
    (to.LIST, 200, {}, b"42", errors.Incompatible, "/api"),
    (to.LIST, 200, {}, b'{"code":true,"data":[]}', errors.Incompatible, "/api"),
    (to.LIST, 200, {}, b"pong", errors.Incompatible, "/api"),
    (to.LIST, 200, {}, b'{"code":200,"statusText":"","da', errors.Unavailable, ""),
    (to.LIST, 200, {}, b"", errors.Unavailable, ""),
    (to.LIST, 200, {}, b'{"code":200,"data":"\xff"}', Misshapen, "between"),
    (to.UPLOAD, 200, {}, b'{"code":200,"statusText":"","data":{"coll', errors.OutcomeUnknown, "looks"),
    (to.CREATE_FOLDER, 200, {}, b"", errors.OutcomeUnknown, "looks"),
]


@pytest.mark.parametrize(("endpoint", "status", "headers", "body", "kind", "hint"), OUTSIDE)
def test_answers_from_outside(
    endpoint: to.Endpoint, status: int, headers: dict[str, str], body: bytes, kind: type, hint: str
) -> None:
    error = raised(endpoint, status, body, headers)
    assert type(error) is kind
    assert hint in error.hint


def test_redirect_names_its_target() -> None:
    assert "https://kb.example/api" in raised(to.LIST, 301, b"", {"location": "https://kb.example/api"}).message


def test_error_page_is_told_by_its_title() -> None:
    error = raised(to.LIST, 502, NGINX.format("502 Bad Gateway").encode())
    assert "502 Bad Gateway" in error.message
    assert "<" not in error.message


# ------------------------------------------------------------ rate limits

DATE = "Sun, 22 Nov 2026 19:59:46 GMT"
NOW = 1795377586.0


@pytest.mark.parametrize(
    ("headers", "now", "seconds"),
    [
        ({"retry-after": "7"}, None, 7.0),
        ({"retry-after": " 0.5 "}, None, 0.5),
        ({"retry-after": "0"}, None, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 20:00:16 GMT", "date": DATE}, None, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 20:00:16 GMT"}, NOW, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 19:00:00 GMT", "date": DATE}, None, 0.0),  # gone by
        ({"retry-after": "Sun, 22 Nov 2026 20:00:16 GMT"}, None, None),
        ({"retry-after": "7", "x-ratelimit-reset": "99"}, None, 7.0),
        ({"x-ratelimit-reset": "12"}, None, 12.0),
        ({"x-ratelimit-reset": str(int(NOW) + 20), "date": DATE}, None, 20.0),
        ({"x-ratelimit-reset": str((int(NOW) + 20) * 1000), "date": DATE}, None, 20.0),
        ({"x-ratelimit-reset": "2026-11-22T20:00:46Z", "date": DATE}, None, 60.0),
        ({"x-ratelimit-reset": "2026-11-22T20:00:46", "date": DATE}, None, 60.0),
        ({"retry-after": "soon", "x-ratelimit-reset": "4"}, None, 4.0),
        ({"retry-after": "-5"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after": ""}, None, None),
        ({}, NOW, None),
    ],
)
def test_retry_after(headers: dict[str, str], now: float | None, seconds: float | None) -> None:
    assert retry_after(headers, now) == seconds


def test_rate_limit_carries_the_pause() -> None:
    assert raised(to.SEARCH, 429, envelope(429, "tooManyRequest"), {"retry-after": "3"}).retry_after == 3
    assert raised(to.SEARCH, 429, envelope(429, "tooManyRequest")).retry_after is None
    assert raised(to.UPLOAD, 429, envelope(429, "uploadFileIntervalLimit")).cause.retry_after == 30
    assert raised(to.UPLOAD, 429, envelope(429, "uploadFileIntervalLimit"), {"retry-after": "2"}).cause.retry_after == 2


# ------------------------------------------------------------ chat


def test_chat_has_no_envelope() -> None:
    body = {"id": "", "choices": [{"message": {"role": "assistant", "content": "七天"}}]}
    assert decode(to.CHAT, 200, {}, json.dumps(body).encode()) == body


def test_failing_model_is_http_200() -> None:
    body = json.dumps({"id": "", "choices": [{"message": {"content": ""}}], "error": {"message": "no such model"}})
    error = raised(to.CHAT, 200, body.encode())  # observed fact 17
    assert type(error) is errors.Unavailable
    assert "no such model" in error.message


# ------------------------------------------------------------ secrets and words


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, envelope(514, "unAuthApiKey", "key fastgpt-topsecret is unknown")),
        (500, {}, envelope(500, "error fastgpt-topsecret", "fastgpt-topsecret")),
        (502, {}, b"<title>Bearer fastgpt-topsecret</title>"),
        (400, {}, b"bad header: fastgpt-topsecret"),
        (301, {"location": "https://x/?key=fastgpt-topsecret"}, b""),
        (400, {}, envelope(400, "error", "", zodError=[{"got": "fastgpt-topsecret"}])),
        (200, {}, b'{"echo":"fastgpt-topsecret"}'),
    ],
)
@pytest.mark.parametrize("endpoint", [to.LIST, to.UPLOAD, to.CHAT])
def test_key_reaches_no_message(endpoint: to.Endpoint, status: int, headers: dict[str, str], body: bytes) -> None:
    error = raised(endpoint, status, body, headers, secret="fastgpt-topsecret")
    assert "topsecret" not in error.message + error.hint + repr(error)


def test_clean() -> None:
    assert clean("a\n\tb\x00\x1b[31mc  d") == "a b [31mc d"
    assert len(clean("x" * 9999)) == 400
    assert clean("<p>no title</p>") == "no title"
    assert clean("") == ""
