"""Checks of the values that have a syntax of their own: addresses, schedules, folders, patterns, encodings.

Each returns the normal form or raises ``ValueError`` with a message that continues the sentence ``"key" …``.
"""

from __future__ import annotations

import re
import unicodedata
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from syncd.config.kinds import describe
from syncd.durations import parse_duration
from syncd.formats import KNOWN_SUFFIXES

_SUFFIXES_TO_DROP = ("/v1/chat/completions", "/v1")


def base_url(value: object) -> str:
    """Return the address of FastGPT's API: ``http(s)://host[:port][/sub-path]/api``.

    No message repeats the address, for people paste credentials into it.
    """
    if not isinstance(value, str):
        raise ValueError(f'must be an address such as "http://localhost:3000/api", not {describe(value)}')
    address = value.strip().rstrip("/")
    if not address:
        raise ValueError('must not be empty; write FastGPT\'s address, such as "http://localhost:3000/api"')
    # Surrogates stand for the bytes of an environment variable that are no text.
    if re.search(r"[\s\x00-\x1f\x7f\\\ud800-\udfff]", address):
        raise ValueError("must not contain blanks, backslashes or control characters")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            'must be an address such as "http://localhost:3000/api"; host or port cannot be read'
        ) from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or password; put the key into the file that api_key_file names")
    if not host or port == 0:
        raise ValueError('must name a host, as in "http://localhost:3000/api"')
    if "?" in address or "#" in address:
        raise ValueError("must not contain a query (?) or a fragment (#)")
    return f"{parts.scheme}://{parts.netloc}{_api_path(parts.path)}"


def _api_path(path: str) -> str:
    path = path.rstrip("/")
    for suffix in _SUFFIXES_TO_DROP:
        path = path.removesuffix(suffix).rstrip("/")
    return path if path.endswith("/api") else path + "/api"


def listen(value: object) -> str:
    """Return "host:port", or "" for no server."""
    if not isinstance(value, str):
        raise ValueError(f'must be a text such as "127.0.0.1:8321", not {describe(value)}')
    if not value:
        return value
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", value)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f'must be "host:port" such as "127.0.0.1:8321", or "" for none, not {describe(value)}')
    return value


def host(value: str) -> str:
    """Return a host name without a port, in lower case."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value):
        raise ValueError(f"must be a list of host names without ports, but contains {describe(value)}")
    return value.lower()


def folder(value: object) -> str:
    """Return a folder inside the dataset: POSIX, NFC, no slash at the ends, "" for the root."""
    if not isinstance(value, str):
        raise ValueError(f'must be a text such as "manuals/english", not {describe(value)}')
    parts = [part for part in unicodedata.normalize("NFC", value).split("/") if part not in ("", ".")]
    for part in parts:
        if part == "..":
            raise ValueError('must not contain ".."')
        if part != part.strip() or any(unicodedata.category(character) == "Cc" for character in part):
            raise ValueError("must not contain control characters, nor blanks at the ends of a name")
    return "/".join(parts)


# ---------------------------------------------------------------- schedules

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {word: str(number) for number, word in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS = {word: str(number) for number, word in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_CRON_FIELDS: tuple[tuple[str, int, int, dict[str, str]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)
_CRON_PART = re.compile(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?")
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def timing(value: object) -> str:
    """Return a duration or a cron expression of five fields, as it was written but for blanks."""
    if not isinstance(value, str):
        raise ValueError(f'must be a duration such as "15m" or a cron expression in quotes, not {describe(value)}')
    fields = value.split()
    if len(fields) > 2:
        _cron(fields)
        return " ".join(fields)
    try:
        seconds = parse_duration(value.strip())
    except ValueError as error:
        text = 'must be a duration such as "15m" or a cron expression such as "0 3 * * *"'
        raise ValueError(f"{error if 'longer' in str(error) else text}, not {describe(value)}") from None
    if seconds < 1:
        raise ValueError(f"must be at least a second, not {describe(value)}")
    return value.strip()


def _cron(fields: list[str]) -> None:
    if len(fields) != 5:
        raise ValueError(
            f"must be a cron expression of five fields (minute hour day month weekday), not of {len(fields)}"
        )
    sets = [_cron_field(text, *field) for text, field in zip(fields, _CRON_FIELDS, strict=True)]
    days, months = sets[2], sets[3]
    # With both days restricted cron fires on either, so only a free weekday makes a date impossible.
    if fields[4] == "*" and min(days) > max(_LONGEST_MONTH.get(month, 31) for month in months):
        raise ValueError("is a cron expression that never fires: no such day in these months")


def _cron_field(text: str, what: str, low: int, high: int, names: dict[str, str]) -> set[int]:
    values: set[int] = set()
    for part in text.lower().split(","):
        numeric = "/".join("-".join(names.get(word, word) for word in half.split("-")) for half in part.split("/"))
        match = _CRON_PART.fullmatch(numeric)
        start, end, step = (int(group) if group else None for group in match.groups()) if match else (None,) * 3
        # "5/15" is refused, for programs disagree on what it means; "*/15" and "5-59/15" are clear.
        if match is None or step == 0 or (start is not None and end is None and step is not None):
            raise ValueError(f"is a cron expression whose {what} cannot be read: {describe(text)}")
        first = low if start is None else start
        last = end if end is not None else high if start is None else start
        if not low <= first <= last <= high:
            raise ValueError(f"is a cron expression whose {what} is not within {low}-{high}: {describe(text)}")
        values.update(range(first, last + 1, step or 1))
    return values


def timezone(value: object) -> str:
    """Return the name of a time zone that this machine knows."""
    if not isinstance(value, str):
        raise ValueError(f'must be a text such as "Europe/Berlin", not {describe(value)}')
    if value == "UTC":
        return value
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise ValueError(
            f'must be a time zone such as "UTC", "Europe/Berlin" or "Asia/Shanghai", not {describe(value)}'
        ) from None
    return value


def sample(value: object) -> str:
    """Return "n/t": the n-th part of t, or n parts of t, of all documents."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f'must be a fraction such as "1/7" (every document within seven runs), not {describe(value)}')
    return match[0]


# ---------------------------------------------------------------- files


def pattern(value: str) -> str:
    """Return one pattern in gitignore syntax."""
    if not value.strip() or any(character in value for character in "\n\r\0"):
        raise ValueError(f"must be a list of patterns on one line each, not {describe(value)}")
    return value


def unreadable_suffix(include: str) -> str:
    """Return the suffix that keeps an include pattern from matching any readable format; "" if none does."""
    last = include.rstrip().rsplit("/", 1)[-1]
    suffix = last.rpartition(".")[2].lower() if "." in last else ""
    # A suffix that begins with a digit ("v1.2") is rather the name of a folder than a format.
    if include.startswith(("!", "#")) or not suffix or suffix[0].isdigit():
        return ""
    return "" if any(fnmatchcase(known, "." + suffix) for known in KNOWN_SUFFIXES) else suffix


def tag(value: str) -> str:
    """Return one tag: on one line, not empty (the ledger joins tags by line breaks)."""
    stripped = unicodedata.normalize("NFC", value).strip()
    if not stripped or any(unicodedata.category(character) == "Cc" for character in stripped):
        raise ValueError(f"must be a list of words on one line each, but contains {describe(value)}")
    return stripped


def encoding(value: str) -> str:
    """Return the name of a text encoding that Python knows."""
    try:
        b"a".decode(value)
    except UnicodeDecodeError:
        pass  # an encoding that needs more than one byte
    except (LookupError, ValueError):
        raise ValueError(
            f'must name text encodings such as "utf-8" or "gb18030", but contains {describe(value)}'
        ) from None
    return value
