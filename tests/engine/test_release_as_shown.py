"""`release` lets go exactly what a person was shown, says what came since, and lets nothing go when it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

import pytest
from laws import converged
from texts import text
from world import World

from syncd import decisions
from syncd.decisions import NotPossible, Released
from syncd.firewall import name_of
from syncd.ledger import Ledger, records, releasing
from syncd.models import DeletePolicy, HoldReason

T = TypeVar("T")
SHOWN = [f"a{number}.md" for number in range(3)]
LATER = [f"b{number}.md" for number in range(4)]
STAY = [f"c{number}.md" for number in range(3)]


@pytest.fixture
def held(world: World) -> World:
    """Ten documents, of which three have vanished and are held."""
    world.source = replace(world.source, delete=DeletePolicy(max_count=1, max_percent=100.0, grace=3600.0))
    for name in (*SHOWN, *LATER, *STAY):
        world.write(name, text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    vanish(world, SHOWN)
    return world


def vanish(world: World, names: list[str]) -> None:
    for name in names:
        world.remove(name)
    assert world.sync().exit_code == 6


def on(world: World, body: Callable[[Ledger], T]) -> T:
    with closing(Ledger(world.ledger_path)) as ledger:
        return body(ledger)


def show(world: World) -> str:
    """What `status` and `sync` do when they have shown the holds; returns the id."""

    def body(ledger: Ledger) -> str:
        holds = records.holds(ledger.conn)
        with ledger.transaction("shown") as conn:
            releasing.show(conn, holds, world.now())
        return holds[0].id

    return on(world, body)


def standing(world: World) -> str:
    return on(world, lambda ledger: records.holds(ledger.conn)[0].id)


def release(world: World, hold: str | None = None) -> Released:
    return on(world, lambda ledger: decisions.release(ledger, "docs", world.now(), hold=hold))


def test_what_came_since_is_not_deleted(held: World) -> None:
    """Six were shown, more came: six go, the answer says how many came since, and those are a new hold."""
    shown = show(held)
    vanish(held, LATER)
    answer = release(held)
    assert (shown, SHOWN, len(LATER)) == (answer.hold, answer.paths, answer.came_since)
    assert f"{len(LATER)} came since" in answer.sentence("now")
    outcome = held.sync()
    assert [tuple(LATER)] == [hold.paths for hold in outcome.holds]
    assert sorted(LATER + STAY) == sorted(held.visible())
    assert shown != outcome.holds[0].id


def test_unseen_is_unreleased(held: World) -> None:
    """Where it cannot be known what was shown, nothing goes; the count is said and the id is asked for."""
    with pytest.raises(NotPossible) as caught:
        release(held)
    assert "3 deletions" in caught.value.message
    assert f"--hold {standing(held)}" in caught.value.hint
    assert 6 == held.sync().exit_code
    assert len(SHOWN + LATER + STAY) == len(held.visible())


def test_the_id_names_exactly_these(held: World) -> None:
    """With the id of a form that was shown earlier exactly that form goes, whoever saw a later one since."""
    first = standing(held)
    vanish(held, LATER)
    show(held)
    answer = release(held, first)
    assert (SHOWN, len(LATER)) == (answer.paths, len(LATER))


def test_all_of_the_newest_that_was_shown(held: World) -> None:
    """What was shown last is what goes."""
    show(held)
    vanish(held, LATER)
    show(held)
    assert (sorted(SHOWN + LATER), 0) == (release(held).paths, release(held).came_since)
    assert 0 == held.sync().exit_code
    assert sorted(STAY) == sorted(held.visible())
    held.sleep(7200)
    held.sync()
    converged(held)


@pytest.mark.parametrize("hold", ["0123abcd", "", "';--"])
def test_a_wrong_id_lets_nothing_go(held: World, hold: str) -> None:
    """An id that nobody was given lets nothing go, and the right one is told."""
    with pytest.raises(NotPossible) as caught:
        release(held, hold)
    assert standing(held) in caught.value.hint
    assert 6 == held.sync().exit_code


def test_what_was_shown_long_ago_is_forgotten(held: World) -> None:
    """A look of the day before yesterday is not what a person has before him now."""
    show(held)
    held.sleep(releasing.LIFETIME + 1)
    with pytest.raises(NotPossible, match="cannot be known"):
        release(held)


def test_what_came_back_is_not_let_go(held: World) -> None:
    """A file that is there again is not part of a release, nor deleted by it when it vanishes once more."""
    show(held)
    held.write(SHOWN[0], text(SHOWN[0]))
    held.sync()
    assert SHOWN[1:] == release(held).paths


def test_forms_are_few(held: World) -> None:
    """However often a hold changes, a few of its forms are kept, those that were shown before all."""
    show(held)
    first = standing(held)
    for number in range(30):
        held.sleep(60)
        on(held, lambda ledger, number=number: _grow(ledger, number, held.now()))
    kept = on(held, lambda ledger: [row[0] for row in ledger.conn.execute("select id from hold_forms")])
    assert len(kept) <= 11
    assert first in kept


def _grow(ledger: Ledger, number: int, now: float) -> None:
    hold = replace(records.holds(ledger.conn)[0], id=f"grown-{number}", revisions=())
    with ledger.transaction("notes") as conn:
        records.store_holds(conn, "docs", [hold], now)


def test_an_id_depends_on_every_part() -> None:
    """Source, reason and each revision change the id; their order does not, nor where one ends."""
    base = name_of("docs", HoldReason.LIMIT, ["r1", "r2"])
    assert base == name_of("docs", HoldReason.LIMIT, ["r2", "r1"])
    others = [
        name_of("other", HoldReason.LIMIT, ["r1", "r2"]),
        name_of("docs", HoldReason.SCOPE, ["r1", "r2"]),
        name_of("docs", HoldReason.LIMIT, ["r1"]),
        name_of("docs", HoldReason.LIMIT, ["r1r2"]),
        name_of("docs", HoldReason.LIMIT, []),
    ]
    assert 6 == len({base, *others})
    assert len(base) == 8
