"""Pure: the ``data`` of FastGPT's answers → values, or ``Misshapen`` naming endpoint and field.

Unknown fields are ignored; missing optional ones take FastGPT's default. Ids are MongoDB's: 24 hexadecimal digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from syncd.models import CollectionId, DatasetId, Hit, Marker

from .models import Collection, CollectionRow, Dataset, Page, TrainingDetail
from .reading import Misshapen

_T = TypeVar("_T")

# Which of several scores of one hit speaks for its rank: the later stage of FastGPT's search wins.
_SCORE_ORDER = ("reRank", "rrf", "embedding", "fullText")


_ID = re.compile(r"[0-9a-f]{24}")
_LONGEST_NAME = 65_536  # characters of anything but the text of a document; names have 512 bytes (fastgpt-api.md 7.2)
_LONGEST_VERSION = 64
_LONGEST_MARK = 16_384  # characters of one field of a marker; a path on Linux has 4 096 bytes


def _fail(endpoint: str, field: str, wanted: str, value: object) -> NoReturn:
    found = "missing" if value is None else f"of type {type(value).__name__}"
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        found = f"of {len(value)} characters" if isinstance(value, str) else str(value)
    raise Misshapen(
        f"The server's answer to '{endpoint}' has no usable '{field}': expected {wanted}, it is {found}.",
        hint="This version of FastGPT answers in a way syncd does not know: run `syncd doctor`, then upgrade syncd.",
    )


_NAMES: dict[type, str] = {  # what is expected, in words
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    bool: "true or false",
}


def _is(value: object, kind: type) -> bool:
    """``isinstance``, but true and false are no whole numbers, all numbers count something, and texts have an end."""
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, kind) and not (isinstance(value, str) and len(value) > _LONGEST_NAME)


def _need(endpoint: str, row: dict[str, Any], field: str, kind: type[_T]) -> _T:
    value = row.get(field)
    if not _is(value, kind):
        _fail(endpoint, field, _NAMES[kind], value)
    return value  # type: ignore[return-value]  # checked just above


def _id(endpoint: str, row: dict[str, Any], field: str) -> str:
    """An id that has to be there."""
    return _as_id(endpoint, field, row.get(field))


def _as_id(endpoint: str, field: str, value: object, asked: str = "") -> str:
    """An id; that of what was asked for, where something was."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        _fail(endpoint, field, "an id", value)
    if asked and value != asked.lower():
        _fail(endpoint, field, "the id that was asked for", value)
    return value


def _may(endpoint: str, row: dict[str, Any], field: str, kind: type[_T], default: _T) -> _T:
    return default if row.get(field) is None else _need(endpoint, row, field, kind)


def _maybe(endpoint: str, row: dict[str, Any], field: str, kind: type[_T]) -> _T | None:
    return None if row.get(field) is None else _need(endpoint, row, field, kind)


def mapping(endpoint: str, data: object) -> dict[str, Any]:
    """Return the answer's data as an object.

    Raises:
        Misshapen: it is something else.
    """
    if not isinstance(data, dict):
        _fail(endpoint, "data", "an object", data)
    return data


def _rows(endpoint: str, value: object, field: str = "data") -> list[dict[str, Any]]:
    if not isinstance(value, list):
        _fail(endpoint, field, "a list", value)
    for row in value:
        if not isinstance(row, dict):
            _fail(endpoint, field, "a list of objects", row)
    return value


def identifier(endpoint: str, data: object, field: str = "") -> str:
    """The id that a create call gives: the data itself, or its ``field``."""
    return _as_id(endpoint, field or "data", mapping(endpoint, data).get(field) if field else data)


def version(data: object) -> str:
    """The version that a server admits to; "" for most, and for what is no version."""
    found = data.get("systemVersion") if isinstance(data, dict) else None
    return found if isinstance(found, str) and len(found) <= _LONGEST_VERSION else ""


def dataset(endpoint: str, data: object, asked: str = "") -> Dataset:
    """One dataset, and the one that was ``asked`` for; rights that the server leaves out count as not given."""
    row = mapping(endpoint, data)
    may = _may(endpoint, row, "permission", dict, {})
    model = row.get("vectorModel")
    if isinstance(model, dict):  # an object from `list` and `detail`, a name from joins (observed, section 1)
        model = model.get("model") or model.get("name")
    return Dataset(
        id=DatasetId(_as_id(endpoint, "_id", row.get("_id"), asked)),
        name=_need(endpoint, row, "name", str),
        type=_need(endpoint, row, "type", str),
        vector_model=model if isinstance(model, str) else "",
        can_write=may.get("hasWritePer") is True,
        can_manage=may.get("hasManagePer") is True,
        is_owner=may.get("isOwner") is True,
        raw=row,
    )


def datasets(endpoint: str, data: object) -> list[Dataset]:
    """The datasets of a listing, folders of datasets among them (their type says so)."""
    return [dataset(endpoint, row) for row in _rows(endpoint, data)]


def labels(endpoint: str, value: object) -> tuple[str, ...]:
    """Tags as labels: plain texts, or ``{tag, value}`` objects from 4.17.1 on (fastgpt-api.md 2.7)."""
    if value is None:
        return ()
    if not isinstance(value, list):
        _fail(endpoint, "tags", "a list", value)
    out: list[str] = []
    for tag in value:
        inner = tag.get("value") if isinstance(tag, dict) else tag
        if isinstance(inner, list):
            out.extend(str(one) for one in inner)
        elif isinstance(inner, (str, int, float)):
            out.append(str(inner))
        elif isinstance(tag, dict) and isinstance(tag.get("tag"), str):
            out.append(tag["tag"])
    return tuple(out)


def row(endpoint: str, data: dict[str, Any]) -> CollectionRow:
    """One row of a listing (fastgpt-api.md 2.3.1). An absent ``hasError`` means false."""
    return CollectionRow(
        id=CollectionId(_id(endpoint, data, "_id")),
        parent_id=_id(endpoint, data, "parentId") if data.get("parentId") not in (None, "") else None,
        name=_need(endpoint, data, "name", str),
        type=_need(endpoint, data, "type", str),
        forbid=_may(endpoint, data, "forbid", bool, False),
        training_amount=_may(endpoint, data, "trainingAmount", int, 0),
        data_amount=_may(endpoint, data, "dataAmount", int, 0),
        has_error=_may(endpoint, data, "hasError", bool, False),
        update_time=_may(endpoint, data, "updateTime", str, ""),
        create_time=_may(endpoint, data, "createTime", str, ""),
        tags=labels(endpoint, data.get("tags")),
        external_file_id=_maybe(endpoint, data, "externalFileId", str),
        active=_maybe(endpoint, data, "activeTrainingAmount", int),
        final_errors=_maybe(endpoint, data, "finalErrorAmount", int),
    )


def page(endpoint: str, data: object, field: str = "list") -> Page:
    """One page of a listing; ``field`` holds the rows (``list`` in listV2, ``data`` in the old route)."""
    body = mapping(endpoint, data)
    rows = _rows(endpoint, body.get(field), field)
    return Page(tuple(row(endpoint, one) for one in rows), _need(endpoint, body, "total", int))


def marker(metadata: dict[str, Any]) -> Marker | None:
    """Our marker in a collection's metadata, or None; leniently, as a newer syncd may have written it."""
    found = metadata.get("syncd")
    if not isinstance(found, dict):
        return None
    texts = {
        name: text if isinstance(text := found.get(name), str) and len(text) <= _LONGEST_MARK else ""
        for name in ("space", "ledger", "document", "revision", "attempt", "source", "path", "sha256", "settings")
    }
    if not (texts["space"] and texts["revision"]):
        return None  # without these it proves nothing
    version, way = (found[name] if _is(found.get(name), int) else 1 for name in ("v", "sent_as"))
    return Marker(v=version, sent_as=way, **texts)


def collection(endpoint: str, data: object, asked: str = "") -> tuple[Collection, bool]:
    """One collection in full, the one that was ``asked`` for, and whether the server counts exactly (4.15.0 on)."""
    body = mapping(endpoint, data)
    _as_id(endpoint, "_id", body.get("_id"), asked)
    base = row(endpoint, body)
    metadata = _may(endpoint, body, "metadata", dict, {})
    joined = body.get("dataset")
    home = body.get("datasetId") or (joined.get("_id") if isinstance(joined, dict) else None)
    if isinstance(home, dict):  # populated by some old versions
        home = home.get("_id")
    found = Collection(
        id=base.id,
        dataset_id=DatasetId(_as_id(endpoint, "datasetId", home)),
        parent_id=base.parent_id,
        name=base.name,
        type=base.type,
        forbid=base.forbid,
        training_amount=base.training_amount,
        data_amount=base.data_amount,
        has_error=base.has_error,
        update_time=base.update_time,
        create_time=base.create_time,
        tags=base.tags,
        external_file_id=base.external_file_id,
        metadata=metadata,
        marker=marker(metadata),
        raw_text_length=_maybe(endpoint, body, "rawTextLength", int),
        hash_raw_text=_may(endpoint, body, "hashRawText", str, ""),
        index_amount=_maybe(endpoint, body, "indexAmount", int),
        error_count=_maybe(endpoint, body, "errorCount", int),
    )
    return found, base.active is not None


def training(endpoint: str, data: object, own_queue: bool) -> TrainingDetail:
    """The counts of ``trainingDetail`` (fastgpt-api.md 2.6)."""
    body = mapping(endpoint, data)

    def counts(field: str) -> dict[str, int]:
        found = _need(endpoint, body, field, dict)
        return {mode: _need(endpoint, found, mode, int) for mode in found}

    return TrainingDetail(
        queued=counts("queuedCounts"),
        training=counts("trainingCounts"),
        errors=counts("errorCounts"),
        trained=_need(endpoint, body, "trainedCount", int),
        own_queue=own_queue,
    )


def error_texts(endpoint: str, data: object) -> list[str]:
    """The error texts of a collection's training tasks, each once, in the server's order."""
    rows = _rows(endpoint, mapping(endpoint, data).get("list"), "list")
    return list(dict.fromkeys(text for one in rows if isinstance(text := one.get("errorMsg"), str) and text))


def _text(endpoint: str, one: dict[str, Any], field: str) -> str:
    """A text of a document, however long; "" where there is none."""
    value = one.get(field)
    if value is not None and not isinstance(value, str):
        _fail(endpoint, field, "a text", value)
    return value or ""


def _joined(endpoint: str, one: dict[str, Any]) -> str:
    question, answer = _text(endpoint, one, "q"), _text(endpoint, one, "a")
    return f"{question}\n{answer}" if answer else question


def _chunk(endpoint: str, one: dict[str, Any]) -> tuple[str, str]:
    if one.get("q") is None:  # each row has one; without it nobody can say what the server holds
        _fail(endpoint, "q", "a text", None)
    return _id(endpoint, one, "_id"), _joined(endpoint, one)


def chunks(endpoint: str, data: object) -> tuple[list[tuple[str, str]], int]:
    """One page of a collection's rows as (id, text), and the total. A row's text is its ``q`` and ``a``."""
    body = mapping(endpoint, data)
    rows = _rows(endpoint, body.get("list"), "list")
    return [_chunk(endpoint, one) for one in rows], _need(endpoint, body, "total", int)


def _scores(value: object) -> Iterable[tuple[str, float]]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):  # the docs' old shape
        yield "embedding", float(value)
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, dict) and isinstance(one.get("type"), str):
                number = one.get("value")
                if isinstance(number, (int, float)) and not isinstance(number, bool):
                    yield one["type"], float(number)


def hits(endpoint: str, data: object) -> list[Hit]:
    """A search test's rows, best first; both shapes: ``{list: […]}`` and the old flat list (fastgpt-api.md 2.8)."""
    rows = (
        _rows(endpoint, data)
        if isinstance(data, list)
        else _rows(endpoint, mapping(endpoint, data).get("list"), "list")
    )
    found = []
    for rank, one in enumerate(rows, 1):
        scores = dict(_scores(one.get("score")))
        best = next((scores[kind] for kind in _SCORE_ORDER if kind in scores), None)
        owner = CollectionId(_id(endpoint, one, "collectionId"))
        found.append(Hit(owner, _joined(endpoint, one), rank, best, frozenset(scores), moment(one.get("updateTime"))))
    return found


def moment(value: object) -> float | None:
    """One of the server's ISO times as seconds since the epoch; ``None`` when it is none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.timestamp() if found is not None and found.tzinfo is not None else None


def answer(endpoint: str, data: object) -> str:
    """The text of a chat completion; ``content`` may be a list of parts (fastgpt-api.md 6)."""
    choices = _rows(endpoint, mapping(endpoint, data).get("choices"), "choices")
    message = choices[0].get("message") if choices else None
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(
            t.get("content", "") if isinstance(t, dict) else t for t in texts if isinstance(t, (dict, str))
        )
    if not isinstance(content, str):
        _fail(endpoint, "choices[0].message.content", "a text", content)
    return content
