"""Many documents of few templates, put into an emulator's store without an upload; and a client that asks it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from syncd.emulator import library, search_routes, training
from syncd.emulator.core import Core
from syncd.emulator.search_faults import Lies
from syncd.fastgpt import wire
from syncd.models import CollectionId, Hit

_SYLLABLES = ["ba", "ke", "lo", "mi", "nu", "ra", "so", "ti", "va", "ze", "do", "fi"]
_SPANS = ((1000, 99_999), (1, 12), (10, 400), (2015, 2026), (1, 28))
_SIGNS = "春夏秋冬山川河流风雨雷电日月星辰金木水火土东西南北"


def _name(dice: random.Random) -> str:
    return "".join(dice.choice(_SYLLABLES) for _ in range(3)).title()


def contract(number: int) -> str:
    """A contract of one template: names, figures and dates are its own."""
    dice = random.Random(number)
    return f"""# Maintenance contract {10_000 + number}

Between {_name(dice)} {_name(dice)} Ltd, hereinafter the customer, and the contractor, the following agreement is made.

## Scope

The contractor maintains the machines of the customer at the site {_name(dice)} twice in each calendar year. The \
contractor keeps a log of every visit and hands a copy to the customer within ten working days.

## Fees

The annual fee is {dice.randint(1000, 99_999)} euros. It is due on the first of {dice.choice(["May", "July"])} of each \
year. Travel is included up to a distance of {dice.randint(10, 400)} kilometres from the nearest branch.

## Term

This contract begins on {dice.randint(1, 28)}.{dice.randint(1, 12)}.{dice.randint(2015, 2026)} and runs for an \
indefinite period. Either party may terminate it with three months' notice to the end of a calendar year.

## Liability

The contractor is liable for damage caused by intent and gross negligence only. Liability for consequential damage is \
excluded as far as the law permits.
"""


def chinese_contract(number: int) -> str:
    """The same in Chinese."""
    dice = random.Random(number)
    fee, month, far, year, day = (dice.randint(*span) for span in _SPANS)
    name, place = ("".join(dice.choice(_SIGNS) for _ in range(count)) for count in (3, 2))
    return f"""# 设备维护合同 {10_000 + number}

本合同由{name}有限公司（以下简称甲方）与维护方签订，双方应当遵守以下各项约定。

## 范围

维护方每年两次对甲方位于{place}的设备进行维护，并在十个工作日内提交维护记录。

## 费用

年度费用为{fee}元，应在每年{month}月一日之前支付，距离不超过{far}公里。

## 期限

本合同自{year}年{month}月{day}日起生效，任何一方可以提前三个月书面通知解除。

## 责任

维护方仅对故意或者重大过失造成的损失承担责任，法律允许的范围内不承担间接损失。
"""


def letter(number: int) -> str:
    """A text that shares no sentence with any other one."""
    dice = random.Random(f"letter {number}")
    lines = [f"# Letter {number}", ""]
    for _ in range(8):
        lines += [f"The {' '.join(_name(dice).lower() for _ in range(9))} of {_name(dice)} was kept by the clerk.", ""]
    return "\n".join(lines)


@dataclass
class Asker:
    """As much of the API client as a proof needs, without a connection; counts its searches."""

    core: Core
    dataset: str = ""
    searches: int = 0

    def __post_init__(self) -> None:
        core = self.core
        self.dataset = core.ids.new()
        core.store.db.execute(
            "insert into datasets (id, parent, type, name, intro, avatar, vector_model, agent_model, update_time)"
            " values (?, '', 'dataset', 'crowd', '', '', 'm', 'm', 0)",
            (self.dataset,),
        )

    def put(self, name: str, text: str, size: int = 600) -> CollectionId:
        """A trained, visible collection of that text, in chunks of ``size`` characters."""
        core = self.core
        with core.store.change():
            row = library.create(core, self.dataset, {"parent": "", "type": "file", "name": name})
            for index, start in enumerate(range(0, len(text), size)):
                training.insert_data(core, row, text[start : start + size], "", index, [])
        return CollectionId(row["id"])

    async def search_test(
        self, dataset_id: str, text: str, *, mode: str, limit: int, tries: int | None = None
    ) -> list[Hit]:
        """One search test."""
        self.searches += 1
        await asyncio.sleep(0)
        core = self.core
        rows = search_routes.find(core, [dataset_id], text, mode, 0.0, limit, Lies(core))
        return wire.hits("search", {"list": rows})
