"""Ordered faults: armed one by one, or rolled by a seeded chaos specification.

Faults of requests: ``timeout_`` and ``reset_`` (before, after, mid), ``late_effect``, ``slow``, ``stale_read``,
``cut_json``, ``wrong_shape``, and whole answers in FastGPT's place: ``answer`` for any (:mod:`syncd.emulator.orders`
says how), shorter names for common ones. Faults of training and of searches are told in their modules; ``task_lost``
leaves a task locked as a crash does (``stage`` parse or chunk, ``seconds``), ``zip_guess`` fails decks whose zip does
not begin with a stored ``[Content_Types].xml`` (:func:`syncd.emulator.slides.begins_plainly`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Protocol

from syncd.emulator.orders import check_order

REQUEST_KINDS = frozenset(
    [
        "timeout_before",
        "timeout_after",
        "reset_before",
        "reset_after",
        "reset_mid",
        "rate_limit",
        "error_500",
        "html_502",
        "code_200",
        "cut_json",
        "wrong_shape",
        "slow",
        "key_refused",
        "quota",
        "stale_read",
        "late_effect",
        "answer",
    ]
)
TRAINING_KINDS = frozenset(
    [
        "train_stuck",
        "train_error",
        "train_slow",
        "train_flaky",
        "empty_parse",
        "vanish",
        "garble",
        "truncate",
        "lose_chunk",
        "task_lost",
        "zip_guess",
    ]
)
SEARCH_KINDS = frozenset(["search_drop", "search_delay", "search_outrank", "search_old", "search_empty", "search_500"])
KINDS = REQUEST_KINDS | TRAINING_KINDS | SEARCH_KINDS

# These lie about certain collections for as long as they are armed.
_STANDING = frozenset(["search_drop", "search_delay", "search_outrank", "search_old"])
_BY_CHANCE = KINDS - _STANDING - {"answer"}
_ANYTHING = frozenset(("", "*"))

_ALIASES = {
    "429": ("rate_limit",),
    "500": ("error_500",),
    "502": ("html_502",),
    "200": ("code_200",),
    "hang": ("timeout_before", "timeout_after"),
    "reset": ("reset_before", "reset_after", "reset_mid"),
    "late": ("late_effect",),
    "stale": ("stale_read",),
    "drop_chunk": ("lose_chunk",),
}
_DEFAULT_PROBABILITY = 0.02


class About(Protocol):
    """What a request is about."""

    def include(self, name: str) -> bool:
        """Whether it is about the document or folder of this name."""


@dataclass(slots=True)
class Fault:
    """One armed fault: it lets ``after`` matches pass, then strikes ``times`` times (None: until it is removed)."""

    id: int
    kind: str
    match: str
    times: int | None
    after: int
    params: dict[str, Any]
    struck: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """A numeric parameter."""
        value = self.params.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def matches(self, text: str) -> bool:
        """Whether the fault is meant for this request line or collection name."""
        if self.match.endswith("$"):
            return text.endswith(self.match[:-1])
        return self.match in _ANYTHING or self.match in text

    def as_dict(self) -> dict[str, Any]:
        """For the admin route."""
        return {
            "id": self.id,
            "kind": self.kind,
            "match": self.match,
            "times": self.times,
            "after": self.after,
            "struck": self.struck,
            **self.params,
        }


@dataclass(frozen=True, slots=True)
class _Chance:
    kinds: tuple[str, ...]
    probability: float
    seconds: float | None


def parse_chaos(spec: str) -> list[_Chance]:
    """Read ``429:0.1,hang:1%,reset,slow:2s:0.5``; raises ValueError that names the bad part."""
    chances = []
    for part in filter(None, (piece.strip() for piece in spec.split(","))):
        name, *values = part.split(":")
        name = name.replace("-", "_")
        kinds = _ALIASES.get(name, (name,))
        if not set(kinds) <= _BY_CHANCE:
            known = ", ".join(sorted(_BY_CHANCE | set(_ALIASES)))
            raise ValueError(f"chaos: {name!r} cannot be left to chance; known are {known}")
        probability: float | None = None
        seconds: float | None = None
        for value in values:
            try:
                if value.endswith("s"):
                    seconds = float(value[:-1])
                elif value.endswith("%"):
                    probability = float(value[:-1]) / 100
                else:
                    probability = float(value)
            except ValueError:
                raise ValueError(f"chaos: {value!r} in {part!r} is neither a probability nor seconds") from None
        if probability is None:
            probability = 1.0 if seconds is not None else _DEFAULT_PROBABILITY
        if not 0 <= probability <= 1:
            raise ValueError(f"chaos: the probability in {part!r} is not between 0 and 1")
        chances.append(_Chance(kinds, probability, seconds))
    return chances


class FaultBook:
    """All armed faults of one emulator, in the order they were added."""

    def __init__(self, chaos: str | None, seed: int) -> None:
        self._chances = parse_chaos(chaos) if chaos else []
        self._seed = seed
        self._random = random.Random(seed)
        self._armed: list[Fault] = []
        self._next = 1
        self.struck: dict[str, int] = {}

    def add(
        self, kind: str, match: str = "localFile", times: int | None = None, after: int = 0, **params: Any
    ) -> Fault:
        """Arm a fault.

        ``match`` is a part of "METHOD path" for request faults (its end, with ``$`` behind it) and of a collection's
        name for training and search faults ("" or "*", and the default for the latter two, mean any). ``times``
        defaults to once, except for faults that lie about certain collections in searches: those stand until they
        are removed, as all do with a negative number. ``after`` lets so many matches pass. Further parameters of all
        request faults: ``name`` (only requests about the document or folder of this name) and ``body`` (only those
        whose body holds this text). Raises ValueError for what is not known.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known are {', '.join(sorted(KINDS))}")
        if kind == "answer":
            check_order(params)
        if kind not in REQUEST_KINDS and match == "localFile":
            match = ""
        if times is None:
            times = None if kind in _STANDING else 1
        elif times < 0:
            times = None
        fault = Fault(self._next, kind, match, times, after, params)
        self._next += 1
        self._armed.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        """Disarm all faults, or those of one kind."""
        self._armed = [fault for fault in self._armed if kind is not None and fault.kind != kind]

    def remove(self, fault_id: int) -> None:
        """Disarm one fault."""
        self._armed = [fault for fault in self._armed if fault.id != fault_id]

    def armed(self) -> list[Fault]:
        """The faults that can still strike."""
        return list(self._armed)

    def reset(self) -> None:
        """Disarm everything and begin the chaos anew."""
        self._armed.clear()
        self.struck.clear()
        self._random = random.Random(self._seed)

    def for_request(self, line: str, body: bytes, about: About) -> Fault | None:
        """The fault that strikes this request, if any."""
        if not self._armed and not self._chances:
            return None
        return self._take(REQUEST_KINDS, line, body, about) or self._roll(REQUEST_KINDS)

    def for_training(self, name: str) -> Fault | None:
        """The fault that strikes the training of this collection, if any."""
        if not self._armed and not self._chances:
            return None
        return self._take(TRAINING_KINDS, name, b"") or self._roll(TRAINING_KINDS)

    def broken_model(self, name: str) -> Fault | None:
        """The training error that stands until it is removed, if it is meant for this collection at this moment."""
        return next((f for f in self._armed if f.kind == "train_error" and f.times is None and f.matches(name)), None)

    def for_search(self) -> list[Fault]:
        """The faults that bear on this search."""
        if not self._armed and not self._chances:
            return []
        found = [fault for fault in self._armed if fault.kind in _STANDING and self._counts(fault)]
        once = self._take(SEARCH_KINDS - _STANDING, None, b"") or self._roll(SEARCH_KINDS - _STANDING)
        return found + ([once] if once else [])

    def _take(self, kinds: frozenset[str], text: str | None, body: bytes, about: About | None = None) -> Fault | None:
        for fault in self._armed:
            if fault.kind not in kinds or not (text is None or fault.matches(text)):
                continue
            needle = fault.params.get("body")
            if isinstance(needle, str) and needle.encode() not in body:
                continue
            name = fault.params.get("name")
            if about is not None and isinstance(name, str) and not about.include(name):
                continue
            if self._counts(fault):
                return fault
        return None

    def _counts(self, fault: Fault) -> bool:
        """Count one match; True when the fault strikes now."""
        if fault.after > 0:
            fault.after -= 1
            return False
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._armed = [other for other in self._armed if other is not fault]
        self._note(fault)
        return True

    def _roll(self, kinds: frozenset[str]) -> Fault | None:
        """Throw the dice once for every chance, so that one outcome does not shift the next."""
        struck: Fault | None = None
        for chance in self._chances:
            if chance.kinds[0] not in kinds:
                continue
            hit = self._random.random() < chance.probability
            kind = self._random.choice(chance.kinds)
            part = self._random.random()
            if hit and struck is None:
                params: dict[str, Any] = {} if chance.seconds is None else {"seconds": chance.seconds * part}
                struck = Fault(0, kind, "", 1, 0, params)
        if struck is not None:
            self._note(struck)
        return struck

    def _note(self, fault: Fault) -> None:
        fault.struck += 1
        self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
