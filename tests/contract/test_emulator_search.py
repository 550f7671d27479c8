"""What the emulator's searches find, and what they do not: as little as FastGPT's."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_time import Bench

CONTRACT = "合同编号 HT-{n}，甲方委托乙方供应水泵，交货期限三十天，质量保证期为一年，付款方式为银行转账。"


async def rows(bench: Bench, text: str, mode: str = "fullTextRecall", limit: int = 20000) -> list[dict[str, Any]]:
    body = {"datasetId": bench.dataset, "text": text, "searchMode": mode, "limit": limit}
    return list((await bench.ok("core/dataset/searchTest", body))["list"])


async def names(bench: Bench, text: str, mode: str = "fullTextRecall") -> list[str]:
    return [row["sourceName"] for row in await rows(bench, text, mode)]


def test_runs_that_hold_a_link_are_not_in_the_full_text() -> None:
    """Every run of non-blanks with http in it is dropped: in Chinese a whole sentence disappears."""

    async def scenario(bench: Bench) -> None:
        await bench.upload("a.md", "详细步骤请参阅https://example.com/manual然后拧紧螺栓。 另外检查轴承温度。")
        await bench.upload("b.md", "See (https://example.com/turbine) before greasing.")
        await bench.settle()
        assert await names(bench, "拧紧螺栓") == []
        assert await names(bench, "检查轴承温度") == ["a.md"]
        assert await names(bench, "turbine") == []
        assert await names(bench, "greasing") == ["b.md"]
        assert await names(bench, "https://example.com/turbine") == []

    Bench().run(scenario)


def test_double_quotes_ask_for_a_phrase() -> None:
    """A text in double quotes must stand there word by word: an identity test."""

    async def scenario(bench: Bench) -> None:
        await bench.upload("a.md", "Tighten the upper bolt, then the lower bolt.")
        await bench.upload("b.md", "Tighten the lower bolt, then the upper bolt.")
        await bench.upload("c.md", "水泵的轴承每年更换一次。")
        await bench.settle()
        assert sorted(await names(bench, "tighten upper bolt")) == ["a.md", "b.md"]
        assert await names(bench, '"tighten the upper bolt"') == ["a.md"]
        assert await names(bench, '"轴承每年更换"') == ["c.md"]
        assert await names(bench, '"每年轴承更换"') == []

    Bench().run(scenario)


def test_full_text_counts_words_and_not_how_rare_they_are() -> None:
    """A row with many common words of the query comes before one with its only rare word."""

    async def scenario(bench: Bench) -> None:
        await bench.upload("rare.md", "The zirconium sleeve hangs on the wall.")
        for number in range(20):
            await bench.upload(f"common{number}.md", f"Pump, valve, motor and seal number {number} are stored here.")
        await bench.settle()
        found = await names(bench, "pump valve motor seal zirconium")
        assert found[0].startswith("common")
        assert "rare.md" in found

    Bench().run(scenario)


def test_stop_words_find_nothing() -> None:
    """Words of the stop list are neither indexed nor asked for."""

    async def scenario(bench: Bench) -> None:
        await bench.upload("a.md", "It was what they had before.")
        await bench.settle()
        assert await names(bench, "it was what they had before") == []

    Bench().run(scenario)


@pytest.mark.parametrize("mode", ["embedding", "mixedRecall", "fullTextRecall"])
def test_the_limit_is_a_keyhole(mode: str) -> None:
    """5 000 tokens are 4 to 16 chunks, 20 000 are all that can be had."""

    async def scenario(bench: Bench) -> None:
        for number in range(40):
            await bench.upload(f"{number}.md", "\n".join(CONTRACT.format(n=f"{number}-{line}") for line in range(18)))
        await bench.settle()
        question = CONTRACT.format(n="7-7")
        small = await rows(bench, question, mode, 5000)
        large = await rows(bench, question, mode, 20_000)
        assert 4 <= len(small) <= 16 < len(large)
        assert len(await rows(bench, question, mode, 1_000_000)) == len(large)

    Bench(training_seconds=0, chunk_seconds=0).run(scenario)


def test_a_crowd_of_templates_outranks_in_embedding_and_not_in_full_text() -> None:
    """Among near-equal documents the embedding cannot tell numbers apart; the whole passage as a phrase can."""

    async def scenario(bench: Bench) -> None:
        for number in range(400):
            await bench.upload(f"{number}.md", CONTRACT.format(n=f"{number:05d}"))
        await bench.upload("other.md", "锅炉的安全阀每季度校验，校验记录由值班工程师签字保存。")
        await bench.settle()
        question = CONTRACT.format(n="00333")
        assert "333.md" not in (await names(bench, question, "embedding"))[:50]
        assert await names(bench, f'"{question}"') == ["333.md"]
        assert (await names(bench, "安全阀每季度校验，校验记录", "embedding"))[0] == "other.md"

    Bench(training_seconds=0, chunk_seconds=0).run(scenario)


def test_a_model_reads_what_the_full_text_drops() -> None:
    """By embedding a document that is nothing but a link is found, and one whose letters are set in bold."""

    async def scenario(bench: Bench) -> None:
        for number in range(150):
            await bench.upload(f"{number}.md", f"The manual of the pump, part {number}, is kept in the office.")
        await bench.upload("link.md", "https://example.com/turbine-handbook")
        await bench.upload("bold.md", "".join(f"**{sign}**" for sign in "锅炉安全阀每季度校验"))
        await bench.settle()
        assert (await names(bench, "https://example.com/turbine-handbook", "embedding"))[0] == "link.md"
        assert (await names(bench, "锅炉安全阀每季度校验", "embedding"))[0] == "bold.md"
        assert await names(bench, "锅炉安全阀每季度校验") == []

    Bench(at_once=True).run(scenario)
