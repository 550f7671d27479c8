"""Answers as no server should give them: one seeded change of one answer, in its JSON, its bytes or its way here.

Shapes are what FastGPT never writes: they are exit code 76, once and for ever. Lies look like its answers; told once
they are found out by asking again. The rest is what broken connections and programs in between make of an answer.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

_ID = re.compile(r"[0-9a-f]{24}")
Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> list[Path]:
    """The ways to all values within a JSON value, itself among them."""
    found = [path]
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        found += places(child, (*path, name))
    return found


def get(value: Any, path: Path) -> Any:
    """The value at a place."""
    for name in path:
        value = value[name]
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """The whole with another value at a place."""
    if not path:
        return new
    get(value, path[:-1])[path[-1]] = new
    return value


class Raw:
    """JSON that Python's ``json`` does not write, to stand where a value stood."""

    def __init__(self, text: str) -> None:
        self.text = text


def written(value: Any) -> bytes:
    """JSON with ``Raw`` parts in it; half characters as JavaScript writes them."""
    raws: list[str] = []

    def name(raw: Any) -> str:
        raws.append(raw.text)
        return f"@raw{len(raws) - 1}@"

    text = json.dumps(value, ensure_ascii=False, default=name)
    for number, raw in enumerate(raws):
        text = text.replace(f'"@raw{number}@"', raw)
    return text.encode("utf-8", "backslashreplace")


def _other_type(dice: random.Random, old: Any) -> Any:
    new: Any = dice.choice([None, True, 0, 7, -1, 1.5, "", "x", [], [1], {}, {"a": 1}, [[[]]], "5", 5])
    return [old] if type(new) is type(old) else new


# Each takes the dice and the old value, and gives the new one.
SHAPES: dict[str, Callable[[random.Random, Any], Any]] = {
    "another type": _other_type,
    "deep": lambda dice, _: Raw("[" * (n := dice.choice([40, 500, 5000])) + "]" * n),
    "deep objects": lambda dice, _: Raw('{"a":' * (n := dice.choice([40, 5000])) + "1" + "}" * n),
    "half a character": lambda dice, _: dice.choice(["\ud83d", "a\ude00b", {"\ud800": 1}, ["\udc80"]]),
    "no number": lambda dice, _: Raw(dice.choice(["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])),
    "a large number": lambda dice, _: Raw(dice.choice(["9007199254740993", "-9007199254740993", "1" + "0" * 30])),
    "a field twice": lambda _dice, old: Raw(f'{{"a":1,"a":{json.dumps(old, default=str)}}}'),
    "very many values": lambda dice, _: Raw("[" + dice.choice(["{},", '"",', "0,"]) * 210_000 + "0]"),
}
VALUES: dict[str, Callable[[random.Random, Any], Any]] = {
    "null": lambda _dice, _old: None,
    "a long text": lambda dice, _: dice.choice("x文 \n") * dice.choice([5_000, 70_000, 300_000]),
    "a negative number": lambda dice, _: -dice.randint(1, 10**9),
    "a huge total": lambda dice, _: dice.choice([10**12, 2**53, 10**6]),
    "an empty list": lambda _dice, _old: [],
    "an odd id": lambda dice, _: dice.choice(["c1", "", "0" * 23, "0" * 25, "G" * 24, "../../etc", "0" * 24 + "\n"]),
    "an id of nobody": lambda dice, _: f"{dice.getrandbits(96):024x}",
    "an odd text": lambda dice, _: dice.choice(
        ["\x00", "\x1b[2J", "::error::x", "../../x", "a/b", "\u202e", "x" * 300]
    ),
}


def _dropped(dice: random.Random, found: Any) -> Any:
    path = dice.choice([p for p in places(found) if p])
    parent = get(found, path[:-1])
    del parent[path[-1]]
    return found


def _swapped(dice: random.Random, found: Any) -> Any:
    """Two ids stand in each other's place."""
    ids = [p for p in places(found) if isinstance(v := get(found, p), str) and _ID.fullmatch(v)]
    if len(ids) < 2:
        return put(found, ids[0], f"{dice.getrandbits(96):024x}") if ids else found
    one, other = dice.sample(ids, 2)
    first, second = get(found, one), get(found, other)
    return put(put(found, one, second), other, first)


def _repeated(dice: random.Random, found: Any) -> Any:
    lists = [p for p in places(found) if isinstance(get(found, p), list) and get(found, p)]
    if not lists:
        return {"code": 200, "data": [found] * 3}
    path = dice.choice(lists)
    return put(found, path, get(found, path) * dice.choice([2, 50]))


WHOLES: dict[str, Callable[[random.Random, Any], Any]] = {
    "a field dropped": _dropped,
    "ids swapped": _swapped,
    "rows repeated": _repeated,
}


class _Slow(httpx.AsyncByteStream):
    """A body that comes in drops, or never ends."""

    def __init__(self, parts: list[bytes], pause: float, *, endless: bool = False, breaks: bool = False) -> None:
        self._parts, self._pause, self._endless, self._breaks = parts, pause, endless, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
            await asyncio.sleep(self._pause)
        while self._endless:
            yield b" " * 1000
            await asyncio.sleep(self._pause)
        if self._breaks:
            raise httpx.ReadError("connection reset")


JSON = {"content-type": "application/json"}
GZIP = {**JSON, "content-encoding": "gzip"}


def _flipped(dice: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


# Each takes the dice, the status and the body, and gives another answer.
WAYS: dict[str, Callable[[random.Random, int, bytes], httpx.Response]] = {
    "cut": lambda dice, s, b: httpx.Response(s, content=b[: dice.randrange(len(b))], headers=JSON),
    "bytes changed": lambda dice, s, b: httpx.Response(s, content=_flipped(dice, b), headers=JSON),
    "nothing": lambda dice, s, b: httpx.Response(dice.choice([s, 204]), headers=JSON),
    "UTF-16": lambda dice, s, b: httpx.Response(s, content=b.decode().encode("utf-16"), headers=JSON),
    "another status": lambda dice, s, b: httpx.Response(
        dice.choice([201, 301, 302, 400, 404, 408, 409, 500, 502, 503, 504, 599]), content=b, headers=JSON
    ),
    "a page": lambda dice, s, b: httpx.Response(
        dice.choice([200, 404, 500, 502, 503]), html="<html><title>Sign in</title>" + "<h1" * 20_000
    ),
    "no JSON": lambda dice, s, b: httpx.Response(s, content=dice.choice([b"pong", b"[", b"{}", b"null", b'"x"', b"0"])),
    "a gzip bomb": lambda dice, s, b: httpx.Response(s, stream=_Slow([_BOMB], 0.0), headers=GZIP),
    "no gzip": lambda dice, s, b: httpx.Response(s, stream=_Slow([b], 0.0), headers=GZIP),
    "half of gzip": lambda dice, s, b: httpx.Response(s, stream=_Slow([gzip.compress(b)[:-9]], 0.0), headers=GZIP),
    "another encoding": lambda dice, s, b: httpx.Response(
        s, stream=_Slow([b"\x01\x02" + b], 0.0), headers={"content-encoding": "br"}
    ),
    "without end": lambda dice, s, b: httpx.Response(s, stream=_Slow([b], 0.5, endless=True), headers=JSON),
    "too long": lambda dice, s, b: httpx.Response(s, stream=_Slow([b" " * (1 << 20)] * 17 + [b], 0.0), headers=JSON),
    "in drops": lambda dice, s, b: httpx.Response(
        s, stream=_Slow([b[n : n + 9] for n in range(0, len(b), 9)], dice.choice([0.01, 5.0])), headers=JSON
    ),
    "broken off": lambda dice, s, b: httpx.Response(s, stream=_Slow([b[: len(b) // 2]], 0.1, breaks=True)),
    "a limit": lambda dice, s, b: httpx.Response(
        429, content=b, headers={"retry-after": dice.choice(["5", "3600", "1e12", "-1", "soon", "Mon, 01 Jan 9999"])}
    ),
}
_BOMB = gzip.compress(b" " * (64 << 20), 1)


def change(
    dice: random.Random, real: httpx.Response, body: bytes, shapes: bool = False, but: frozenset[str] = frozenset()
) -> tuple[str, httpx.Response]:
    """Another answer in the place of a real one, and what was done to it.

    Args:
        dice: everything is drawn from it.
        real: the answer.
        body: its bytes.
        shapes: only what FastGPT never writes, in the answer's data.
        but: not in these ways.
    """
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    pick = dice.random()
    if not shapes and (found is None or pick < 0.3):
        kind = dice.choice(sorted(WAYS.keys() - but))
        return kind, WAYS[kind](dice, real.status_code, body or b"{}")
    if not shapes and pick < 0.45:
        kind = dice.choice(sorted(WHOLES.keys() - but))
        found = WHOLES[kind](dice, found)
    else:
        among = SHAPES if shapes or pick < 0.75 else VALUES
        kind = dice.choice(sorted(among.keys() - but))
        ways = places(found)
        inside = [path for path in ways if path[:1] == ("data",)] if shapes or dice.random() < 0.9 else ways
        path = dice.choice(inside or ways)
        found = put(found, path, among[kind](dice, get(found, path)))
        kind = f"{kind}, for ever" if shapes else kind
    return kind, httpx.Response(real.status_code, content=written(found), headers=JSON)
