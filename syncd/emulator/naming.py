"""Ids, time stamps and the rules for names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from syncd.emulator.answers import ApiError, bad_object_id, thrown

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_ESCAPES = re.compile(r"(?:%[0-9a-fA-F]{2})+|%")


class ObjectIds:
    """Ids like MongoDB's, from a counter: the same seed gives the same ids, and a restart never repeats one."""

    def __init__(self, seed: int, boot: int) -> None:
        self._prefix = f"{0x6B000000 + (boot & 0xFFFFFF):08x}{seed & 0xFFFFFFFF:08x}"
        self._count = 0

    def new(self) -> str:
        """The next id; ids of one run sort in the order they were given."""
        self._count += 1
        return f"{self._prefix}{self._count:08x}"


def is_object_id(value: object) -> bool:
    """Whether MongoDB would take the value as an id."""
    return isinstance(value, str) and _OBJECT_ID.fullmatch(value) is not None


def require_object_id(value: object, model: str) -> str:
    """The id, or the error Mongoose throws for it."""
    if isinstance(value, str) and _OBJECT_ID.fullmatch(value):
        return value.lower()
    raise bad_object_id(value, model)


@lru_cache(maxsize=4096)
def iso(seconds: float) -> str:
    """A time as JavaScript prints dates."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_iso(value: object) -> float | None:
    """A time from what a client sent, or None if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def decode_uri_component(name: str) -> str:
    """JavaScript's decodeURIComponent; raises ValueError where that throws ``URI malformed``."""

    def decode(match: re.Match[str]) -> str:
        escapes = match.group()
        if escapes == "%":
            raise ValueError("URI malformed")
        return bytes.fromhex(escapes.replace("%", "")).decode("utf-8")

    return _ESCAPES.sub(decode, name)


def extension(name: str) -> str:
    """The last suffix with its dot, as Node's ``path.extname``: none for names that only begin with a dot."""
    base = name.rpartition("/")[2]
    dot = base.rfind(".")
    return base[dot:] if dot > 0 else ""


def cut_name(name: str, limit: int | None) -> str:
    """The name as the object store keeps it: at most ``limit`` UTF-16 units, extension kept.

    A cut inside a surrogate pair is HTTP 500 ``URI malformed`` (observed fact 24).
    """
    units = name.encode("utf-16-le", "surrogatepass")
    if limit is None or len(units) <= 2 * limit:
        return name
    suffix = extension(name).encode("utf-16-le", "surrogatepass")
    kept = units[: max(0, 2 * limit - len(suffix))]
    try:
        return (kept + suffix).decode("utf-16-le")
    except UnicodeDecodeError:
        raise malformed_uri() from None


def malformed_uri() -> ApiError:
    """What JavaScript throws for names it cannot encode."""
    return thrown("URI malformed")
