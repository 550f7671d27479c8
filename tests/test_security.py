"""What .github/SECURITY.md promises is what tests show."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / ".github" / "SECURITY.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^- (.*)$", TEXT, re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    """A sentence of the threat model names tests that are there; only what others *can* do has none to name."""
    assert len(PROMISES) >= 15
    for promise in PROMISES:
        named = re.findall(r"`([\w./]+\.py|booted/)`", promise)
        assert bool(named) != ("*can*" in promise), promise
        for path in named:
            assert (TESTS / path).exists(), path
