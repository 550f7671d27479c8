"""Which looks at the disk are due; the clock and the disk are handed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd import looks as module
from syncd.looks import Look, Looks

Disk = dict[str, tuple[int, int, int]]


def always(_look: Look) -> bool:
    return True


def stat_of(disk: Disk) -> module.Callable[[str, str], tuple[int, int, int] | None]:
    return lambda _source, path: disk.get(path)


def test_a_hinted_path_is_looked_at_after_its_quiet_time() -> None:
    """Not before, once, and alone."""
    looks, disk = Looks({"docs": 2.0, "other": 1.0}), {"a.md": (1, 1, 1)}
    looks.hint("docs", {"a.md"}, 10.0, disk.get)
    assert (12.0, 1) == (looks.next_at(10.0), len(looks))
    looks.settle(11.9, stat_of(disk))
    assert [] == looks.take(11.9, always)
    looks.settle(12.0, stat_of(disk))
    assert [Look("docs", frozenset({"a.md"}))] == looks.take(12.0, always)
    assert ([], None, 0) == (looks.take(99.0, always), looks.next_at(12.0), len(looks))


def test_quiet_alone_is_not_rest() -> None:
    """A file that grows without a sound begins its quiet time again when its second look differs."""
    looks, disk = Looks({"docs": 2.0}), {"a.md": (1, 1, 1)}
    looks.hint("docs", {"a.md"}, 10.0, disk.get)
    disk["a.md"] = (2, 2, 1)
    looks.settle(12.0, stat_of(disk))
    assert ([], 14.0) == (looks.take(12.0, always), looks.next_at(12.0))
    looks.settle(14.0, stat_of(disk))
    assert 1 == len(looks.take(14.0, always))


def test_a_path_that_is_gone_comes_to_rest_too() -> None:
    """An absent file is stable as long as it stays absent."""
    looks, disk = Looks({"docs": 2.0}), Disk()
    looks.hint("docs", {"gone.md"}, 10.0, disk.get)
    disk["gone.md"] = (1, 1, 1)
    looks.settle(12.0, stat_of(disk))
    assert [] == looks.take(12.0, always)
    disk.clear()
    looks.settle(14.0, stat_of(disk))
    looks.settle(16.0, stat_of(disk))
    assert [Look("docs", frozenset({"gone.md"}))] == looks.take(16.0, always)


def test_no_settle_time() -> None:
    """With `settle = "0s"` a hint is a look at once."""
    looks, disk = Looks({"docs": 0.0}), {"a.md": (1, 1, 1)}
    looks.hint("docs", {"a.md"}, 10.0, disk.get)
    looks.settle(10.0, stat_of(disk))
    assert 1 == len(looks.take(10.0, always))


def test_a_look_at_everything_takes_the_paths_along() -> None:
    """What is quiet is seen by it; what is not yet quiet stays for its own look."""
    looks, disk = Looks({"docs": 2.0}), {"a.md": (1, 1, 1), "b.md": (1, 1, 1)}
    looks.hint("docs", {"a.md"}, 10.0, disk.get)
    looks.settle(12.0, stat_of(disk))
    looks.hint("docs", {"b.md"}, 12.0, disk.get)
    looks.whole("docs", 12.0)
    assert looks.whole_waits("docs")
    assert [Look("docs", None)] == looks.take(12.0, always)
    assert (False, 1) == (looks.whole_waits("docs"), len(looks))
    looks.settle(14.0, stat_of(disk))
    assert [Look("docs", frozenset({"b.md"}))] == looks.take(14.0, always)


def test_an_earlier_wish_stands() -> None:
    """A later wish for a look at everything does not put off an earlier one; an earlier one brings it forward."""
    looks = Looks({"docs": 2.0})
    for at in (30.0, 20.0, 40.0):
        looks.whole("docs", at)
    assert 20.0 == looks.next_at(10.0)
    assert [[], [Look("docs", None)]] == [looks.take(now, always) for now in (19.0, 20.0)]


def test_what_may_not_begin_stays() -> None:
    """A look that may not be begun yet is asked for again; one kind does not bar the other."""
    looks, disk = Looks({"docs": 0.0}), {"a.md": (1, 1, 1)}
    looks.hint("docs", {"a.md"}, 10.0, disk.get)
    looks.whole("docs", 10.0)
    looks.settle(10.0, stat_of(disk))
    assert [] == looks.take(10.0, lambda _look: False)
    assert [Look("docs", frozenset({"a.md"}))] == looks.take(10.0, lambda look: look.paths is not None)
    assert [Look("docs", None)] == looks.take(10.0, always)


def test_files_seen_in_writing() -> None:
    """A file that a look found half written is waited for; where it is waited for already, that is no news."""
    looks, disk = Looks({"docs": 2.0}), {"a.md": (1, 1, 1)}
    looks.seen_written("docs", {"a.md"}, 10.0, disk.get)
    looks.seen_written("docs", {"a.md"}, 11.5, disk.get)
    looks.settle(12.0, stat_of(disk))
    assert [Look("docs", frozenset({"a.md"}))] == looks.take(12.0, always)


def test_a_source_that_is_gone() -> None:
    """A hint of a source that the configuration has just lost is dropped."""
    looks = Looks({"docs": 2.0})
    looks.hint("lost", {"a.md"}, 10.0, Disk().get)
    looks.seen_written("lost", {"a.md"}, 10.0, Disk().get)
    looks.whole("lost", 10.0)
    assert (0, None, []) == (len(looks), looks.next_at(0.0), looks.take(99.0, always))


def test_too_many_paths_are_one_look_at_everything() -> None:
    """A burst is not followed path by path: nothing of it is looked at or kept before the look at the whole source."""
    looks = Looks({"docs": 2.0})
    few = {f"{number}.md" for number in range(module._MANY)}
    looks.hint("docs", few, 10.0, lambda _path: (1, 1, 1))
    assert (module._MANY, False) == (len(looks), looks.whole_waits("docs"))
    asked: list[str] = []
    looks.hint("docs", {"more.md"}, 11.0, lambda path: asked.append(path))
    assert (0, [], 13.0) == (len(looks), asked, looks.next_at(11.0))
    assert [[], [Look("docs", None)]] == [looks.take(now, always) for now in (12.9, 13.0)]


def test_paths_that_pile_up_are_one_look_at_everything() -> None:
    """Quiet paths that may not be looked at for long do not grow without end."""
    looks, disk = Looks({"docs": 0.0}), Disk()
    for start in (0, module._MANY - 1):
        looks.hint("docs", {f"{start + number}.md" for number in range(module._MANY - 1)}, 10.0, disk.get)
        looks.settle(10.0, stat_of(disk))
    assert (True, 0) == (looks.whole_waits("docs"), len(looks))


steps = st.lists(
    st.tuples(st.sampled_from(["hint", "write", "whole", "wait", "take"]), st.sampled_from("abc"), st.floats(0.0, 3.0)),
    max_size=40,
)


@given(steps, st.sampled_from([0.0, 1.0, 2.0]))
def test_no_hint_is_lost_and_nothing_is_early(did: list[tuple[str, str, float]], settle: float) -> None:
    """Each hint is followed by a look that sees it; a look at a path alone comes after its full quiet time."""
    looks, disk, now = Looks({"docs": settle}), Disk(), 0.0
    hinted: dict[str, float] = {}  # not looked at since
    for what, path, number in did:
        if what == "hint":
            looks.hint("docs", {path}, now, disk.get)
            hinted[path] = now
        elif what == "write":  # with an event, as any write has
            disk[path] = (1, int(now * 1000), 1)
            looks.hint("docs", {path}, now, disk.get)
            hinted[path] = now
        elif what == "whole":
            looks.whole("docs", now + number)
        elif what == "wait":
            now += number
        else:
            take(looks, disk, now, settle, hinted)
    for _ in range(3):
        now = max(now, looks.next_at(now) or now)
        take(looks, disk, now, settle, hinted)
    take(looks, disk, now + 310.0, settle, hinted)  # what changed again and again is restrained for 5 min at most
    assert ({}, 0, None) == (hinted, len(looks), looks.next_at(now + 310.0))


def take(looks: Looks, disk: Disk, now: float, settle: float, hinted: dict[str, float]) -> None:
    looks.settle(now, stat_of(disk))
    for look in looks.take(now, always):
        for path in list(hinted) if look.paths is None else look.paths:
            if look.paths is not None:
                assert now >= hinted[path] + settle
            elif path in looks._sources["docs"].settler:
                continue  # still has its own look to come
            hinted.pop(path, None)
