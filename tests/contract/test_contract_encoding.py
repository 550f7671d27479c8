"""What the server makes of a file's bytes (the silent corruption, and its cure)."""

from __future__ import annotations

import pytest
from contract_target import Target

ASCII = "Pump manual in ASCII heading line about pumps and valves.\n" * 5  # 290 bytes
CHINESE = "水泵的维护周期为五千小时。"
BOM = b"\xef\xbb\xbf"
GARBLED = "f04f35"


@pytest.mark.dialects("4.12", "4.14")
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
def test_ascii_in_front_destroys_the_rest(target: Target, dataset: str, name: str) -> None:
    """If the first 200 bytes are ASCII, later non-ASCII text is destroyed without an error."""
    stored = target.stored(dataset, name, (ASCII + "\n" + CHINESE).encode())
    assert CHINESE not in stored
    assert GARBLED in stored


@pytest.mark.dialects("4.12", "4.14")
def test_texts_are_destroyed_too(target: Target, dataset: str) -> None:
    """create/text stores a file first, so the same happens to it."""
    collection = target.trained(target.text(dataset, "t", ASCII + CHINESE))
    assert CHINESE not in target.rows(collection)[0]["q"]


@pytest.mark.dialects("4.16")
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
def test_later_versions_read_it_all(target: Target, dataset: str, name: str) -> None:
    """The dialect 4.16 does not garble."""
    assert CHINESE in target.stored(dataset, name, (ASCII + "\n" + CHINESE).encode())


@pytest.mark.parametrize("name", ["b.txt", "b.md", "b.csv", "b.html"])
def test_a_bom_saves_the_text(target: Target, dataset: str, name: str) -> None:
    """With a UTF-8 BOM in front everything arrives."""
    assert CHINESE in target.stored(dataset, name, BOM + (ASCII + "\n" + CHINESE).encode())


@pytest.mark.parametrize(("name", "stays"), [("c.txt", True), ("c.md", True), ("c.csv", False), ("c.html", False)])
def test_where_the_bom_stays(target: Target, dataset: str, name: str, stays: bool) -> None:
    """In short text and Markdown the BOM stays as U+FEFF, in CSV and HTML it does not."""
    assert target.stored(dataset, name, BOM + CHINESE.encode()).startswith("\ufeff") is stays


def test_long_texts_lose_their_bom(target: Target, dataset: str) -> None:
    """From 1000 characters on the BOM is stripped."""
    stored = target.stored(dataset, "long.md", BOM + ((CHINESE + "\n\n") * 90).encode())
    assert "\ufeff" not in stored
    assert stored.count(CHINESE) >= 90


@pytest.mark.parametrize(
    "text",
    [
        CHINESE + "\n" + ASCII,
        "x" * 100 + "水泵" + "y" * 88 + CHINESE,
        "é" + ASCII + CHINESE,
        CHINESE * 30,
        ("设备编号 P-101 的 " + CHINESE) * 60,
    ],
)
def test_non_ascii_early_is_enough(target: Target, dataset: str, text: str) -> None:
    """One non-ASCII character in the first 200 bytes saves the file, even if byte 200 cuts one in two."""
    assert CHINESE in target.stored(dataset, "d.txt", text.encode())


def test_gbk_is_recognised(target: Target, dataset: str) -> None:
    """A GBK file is read as such."""
    text = "这是一个GBK编码的文件，关于变压器的绝缘等级。"
    assert target.stored(dataset, "gbk.txt", text.encode("gbk")) == text
