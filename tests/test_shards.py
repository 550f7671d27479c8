"""Which shard a document belongs to."""

from __future__ import annotations

from collections import Counter

import pytest

from syncd.shards import Shard, parse


@pytest.mark.parametrize(("text", "shard"), [("0/3", Shard(0, 3)), (" 2/3 ", Shard(2, 3)), ("0/1", None)])
def test_spellings(text: str, shard: Shard | None) -> None:
    """ "i/n" is read; the only shard of one is no shard."""
    assert shard == parse(text)


@pytest.mark.parametrize("text", ["", "3/3", "1", "a/b", "0/0", "-1/3", "1/99999", "1/2/3"])
def test_what_is_no_shard(text: str) -> None:
    """Anything else is refused with what would be right."""
    with pytest.raises(ValueError, match='must be "i/n"'):
        parse(text)


def test_every_document_has_one_shard() -> None:
    """The shards of one n share all documents among them, about evenly, and none twice."""
    owners = Counter()
    for number in range(3000):
        path = f"章/document {number}.md"
        owning = [index for index in range(7) if Shard(index, 7).owns("docs", path)]
        assert 1 == len(owning)
        owners[owning[0]] += 1
    assert all(330 < count < 530 for count in owners.values()), owners


def test_the_hash_never_changes() -> None:
    """A new version of the program must not move documents between shards."""
    owners = [next(i for i in range(5) if Shard(i, 5).owns("docs", name)) for name in ("a.md", "b/c.md", "日本.md")]
    assert [0, 2, 3] == owners
