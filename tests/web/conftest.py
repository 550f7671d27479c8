"""The status server over a ledger in memory, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from web_parts import Site


@pytest.fixture
def make_site(scratch: Path) -> Iterator[Callable[..., Site]]:
    """Makes sites, each with a ledger of its own."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(scratch / f"s{len(made)}", **options))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site on loopback with a token."""
    return make_site()
