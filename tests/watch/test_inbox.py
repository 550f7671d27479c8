"""What threads have heard is taken by the loop, all of it, and with few wakings."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from syncd.inbox import Inbox


def test_everything_heard_is_told() -> None:
    """Paths from many threads arrive, each source its own, and a burst wakes the loop once."""

    async def main() -> None:
        told: list[tuple[str, frozenset[str]]] = []
        inbox = Inbox(asyncio.get_running_loop(), lambda *args: told.append(args), lambda: None)
        for _ in range(2):
            told.clear()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda number: inbox.heard(f"s{number % 2}", f"{number}.md"), range(1000)))
            assert [] == told  # the loop was not free
            await asyncio.sleep(0)
            expected = {f"s{odd}": frozenset(f"{number}.md" for number in range(odd, 1000, 2)) for odd in (0, 1)}
            assert (2, expected) == (len(told), dict(told))

    asyncio.run(main())


def test_what_is_heard_after_the_telling_is_told_too() -> None:
    """The loop that has just taken everything is woken again."""

    async def main() -> None:
        told: list[str] = []
        inbox = Inbox(asyncio.get_running_loop(), lambda _source, paths: told.extend(paths), lambda: None)
        for number in range(3):
            inbox.heard("s", str(number))
            await asyncio.sleep(0)
        assert ["0", "1", "2"] == told

    asyncio.run(main())


def test_a_loss_is_worth_more_than_paths() -> None:
    """After lost events the single paths are of no use, and the source is to be looked after; others' paths stay."""

    async def main() -> None:
        told: list[tuple[str, frozenset[str]]] = []
        poked: list[bool] = []
        inbox = Inbox(asyncio.get_running_loop(), lambda *args: told.append(args), lambda: poked.append(True))
        inbox.heard("a", "x.md")
        inbox.heard("b", "y.md")
        inbox.lost("a")
        await asyncio.sleep(0)
        assert ([("b", frozenset({"y.md"}))], [True]) == (told, poked)
        assert ({"a"}, set()) == (inbox.to_check(), inbox.to_check())
        assert [False, True, False] == [inbox.overflown("b"), inbox.overflown("a"), inbox.overflown("a")]

    asyncio.run(main())


def test_nobody_is_woken_after_the_end() -> None:
    """A thread that goes on for a moment does no harm, neither after the closing nor after the loop's end."""

    async def main() -> Inbox:
        inbox = Inbox(asyncio.get_running_loop(), lambda _source, _paths: None, lambda: None)
        inbox.close()
        inbox.heard("s", "a.md")
        return Inbox(asyncio.get_running_loop(), lambda _source, _paths: None, lambda: None)

    inbox = asyncio.run(main())
    inbox.check("s")
    inbox.lost("s")
