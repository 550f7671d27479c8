"""What holds of every row of a sound ledger, beyond what its tables' types say: values in, values out.

A law is a condition in SQL about one row. Laws are about shapes that syncd itself writes and relies on, so that a value
that breaks one can only come from a damaged file, or from somebody else's hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.models import HoldReason

_LATEST = 1e11  # seconds since the epoch; the year 5138
_MOST = 2**62


@dataclass(frozen=True, slots=True)
class Law:
    """One law.

    Args:
        table: the table.
        columns: what it is about, the first one being named and shown when it is broken.
        condition: true of each sound row; NULL counts as broken.
        text: what is so of a sound row: "is a time".
    """

    table: str
    columns: tuple[str, ...]
    condition: str
    text: str


def _one_of(words: Iterable[str]) -> str:
    return "{0} in (" + ", ".join(f"'{word}'" for word in words) + ")"


_TIME = (f"typeof({{0}}) = 'real' and {{0}} between 0 and {_LATEST}", "a time in seconds since the epoch")
_NUMBER = ("typeof({0}) = 'real' and abs({0}) < 1e15", "a number")
_FLAG = ("typeof({0}) = 'integer' and {0} in (0, 1)", "0 or 1")
_COUNT = (f"typeof({{0}}) = 'integer' and {{0}} between 0 and {_MOST}", "a whole number that is not negative")
_WHOLE = ("typeof({0}) = 'integer'", "a whole number")
_CODE = ("typeof({0}) = 'integer' and {0} between -255 and 255", "an exit code")
_BYTES = ("typeof({0}) = 'blob'", "bytes")
_TEXT = ("typeof({0}) = 'text'", "text")
_NAME = ("typeof({0}) = 'text' and {0} != ''", "a name")
_ID = (
    "typeof({0}) = 'text' and length({0}) between 1 and 200 and {0} not glob '*[^0-9A-Za-z_.:-]*'",
    "an id",
)
_HASH = (
    "typeof({0}) = 'text' and ({0} = '' or (length({0}) = 64 and {0} not glob '*[^0-9a-f]*'))",
    "a SHA-256 in hex",
)
_WORD = ("typeof({0}) = 'text' and {0} not glob '*[^a-z0-9-]*'", "a word")
_PATH = (
    "typeof({0}) = 'text' and {0} != '' and {0} not like '/%' and '/' || {0} || '/' not like '%/../%'",
    "a path below the root",
)
_LIST = ("case when json_valid({0}) then json_type({0}) = 'array' else 0 end", "a JSON list")
_OBJECT = ("case when json_valid({0}) then json_type({0}) = 'object' else 0 end", "a JSON object")
_REASON = (_one_of(HoldReason), "a reason of a hold")

_Column = tuple[str, str]

# Whether a column may be NULL the table itself says.
_COLUMNS: Mapping[str, Mapping[str, _Column]] = {
    "meta": {"key": _NAME, "value": _TEXT},
    "sources": {
        "name": _NAME, "dataset_ref": _TEXT, "dataset_id": _ID, "root": _TEXT, "device": _WHOLE, "scope": _TEXT,
        "last_scan_at": _TIME, "adopted_at": _TIME, "trouble": _TEXT,
    },
    "directories": {"source": _NAME, "path": _BYTES, "signature": _BYTES, "in_scope": _COUNT, "unread": _COUNT},
    "documents": {
        "uuid": _ID, "source": _NAME, "path": _PATH, "directory": _COUNT, "disk_name": _BYTES, "size": _COUNT,
        "mtime_ns": _WHOLE, "inode": _WHOLE, "sha256": _HASH, "settings": _TEXT, "at_rest": _FLAG, "gone": _FLAG,
        "quarantine": _WORD, "quarantine_message": _TEXT, "quarantine_sha256": _HASH, "quarantine_settings": _TEXT,
        "quarantine_since": _TIME, "attempts": _COUNT, "next_try_at": _TIME, "last_error": _TEXT,
        "last_error_code": _TEXT, "note": (_one_of(("waiting", "held")), "a note"), "note_reason": _TEXT,
        "first_seen_at": _TIME, "missing_since": _TIME, "setbacks": _COUNT, "setback_since": _TIME,
    },
    "revisions": {
        "id": _ID, "document": _COUNT, "sha256": _HASH, "settings": _TEXT, "attempt": _ID, "dataset_id": _ID,
        "collection_id": _ID, "placed": _TEXT, "visible": _FLAG, "created_at": _TIME, "sent_at": _TIME,
        "absences": _COUNT, "verified_at": _TIME, "retired_at": _TIME, "delete_after": _TIME, "delete_sent": _FLAG,
        "deleted_at": _TIME, "reason": _TEXT, "weak": _TEXT, "successor": _ID, "reprove": _FLAG, "size": _COUNT,
        "sent_as": _COUNT, "resend_at": _TIME, "remark": _TEXT,
    },
    "folders": {
        "source": _NAME, "path": _NAME, "dataset_id": _ID, "collection_id": _ID, "made": _FLAG, "empty_since": _TIME,
    },
    "strangers": {"collection_id": _ID, "dataset_id": _ID},
    "ledgers": {"source": _NAME, "ledger": _ID},
    "deletions": {"source": _NAME, "document": _COUNT, "at": _TIME, "released": _FLAG},
    "releases": {"source": _NAME, "revision": _ID, "at": _TIME, "emptied": _FLAG},
    "holds": {
        "source": _NAME, "reason": _REASON, "releasable": _FLAG, "since": _TIME, "message": _TEXT, "at_stake": _COUNT,
        "paths": _LIST, "id": _TEXT,
    },
    "hold_forms": {
        "source": _NAME, "id": _TEXT, "reason": _REASON, "at": _TIME, "shown_at": _TIME, "revisions": _LIST,
    },
    "proofs": {"revision": _ID, "at": _TIME, "passed": _FLAG, "weak": _TEXT, "failure": _TEXT},
    "probe_results": {
        "proof": _COUNT, "query": _TEXT, "mode": _NAME, "verdict": _WORD, "rank": _COUNT, "score": _NUMBER,
        "shared_with": _TEXT, "instead": (f"{{0}} = '' or {_LIST[0]}", "a JSON list"),
    },
    "events": {"at": _TIME, "source": _TEXT, "path": _TEXT, "event": _NAME, "revision": _TEXT, "detail": _TEXT},
    "findings": {
        "at": _TIME, "kind": _WORD, "source": _TEXT, "path": _TEXT, "collection_id": _ID, "message": _TEXT,
        "resolved_at": _TIME, "visible": _FLAG,
    },
    "requests": {
        "at": _TIME, "kind": _WORD, "arguments": _OBJECT, "taken_at": _TIME, "done_at": _TIME, "exit_code": _CODE,
        "answer": _OBJECT,
    },
    "jobs": {"name": _NAME, "fired_at": _TIME},
    "runs": {"at": _TIME, "seconds": _NUMBER, "sources": _LIST, "whole": _FLAG, "counts": _OBJECT},
    "restless": {"source": _NAME, "path": _PATH, "since": _TIME},
}  # fmt: skip

_ROWS = (
    Law(
        "revisions",
        ("collection_id", "state"),
        "state not in ('indexing', 'proving', 'verified') or collection_id is not null",
        "is known of what is indexed, proven or serving",
    ),
    Law("meta", ("value",), f"key != 'clock' or {_LIST[0].format('value')}", "is a JSON list under 'clock'"),
    Law("meta", ("value",), f"key != 'service' or {_OBJECT[0].format('value')}", "is a JSON object under 'service'"),
    Law("meta", ("value",), f"key != 'ledger_id' or {_ID[0].format('value')}", "is an id under 'ledger_id'"),
    Law(
        "meta",
        ("value",),
        f"key not in ('paused', 'survey_at') or (value glob '[0-9]*' and value not glob '*[^0-9.e+]*'"
        f" and cast(value as real) between 0 and {_LATEST})",
        "is a time under 'paused' and 'survey_at'",
    ),
)


def laws(nullable: Mapping[str, Iterable[str]]) -> list[Law]:
    """All laws.

    Args:
        nullable: the columns of each table that may be NULL.
    """
    found = []
    for table, columns in _COLUMNS.items():
        may = set(nullable.get(table, ()))
        for column, (condition, text) in columns.items():
            wanted = condition.format(column)
            if column in may:
                wanted = f"{column} is null or ({wanted})"
            found.append(Law(table, (column,), wanted, f"is {text}"))
    return [*found, *_ROWS]
