"""Documents to write in tests: prose with words that search can tell apart."""

from __future__ import annotations

import random

_WORDS = """
    lantern harbour velvet saffron granite meadow compass thunder orchard quartz willow copper marble
    canyon ember falcon ginger hollow island juniper kettle ladder magnet nectar oyster pepper quiver
    ribbon sandal timber umbra violin walnut yonder zephyr anchor basalt cinder dapple errand fathom
    goblet hamlet indigo jigsaw keeper lichen
""".split()  # noqa: SIM905 - a list of fifty strings is no better to read


def text(name: str, version: int = 1, sentences: int = 6) -> str:
    """A document that no other name and version shares a sentence with."""
    dice = random.Random(f"{name}-{version}")
    lines = [f"# {name.title()} edition {version}", ""]
    for number in range(sentences):
        words = " ".join(dice.choice(_WORDS) for _ in range(9))
        tag = "".join(dice.choice("bcdfgklmnprstvz") + dice.choice("aeiou") for _ in range(4))
        lines += [f"The {words} of {tag}{number} is kept by {name} in version {version}.", ""]
    return "\n".join(lines)


def chinese(name: str) -> str:
    """A document in Chinese."""
    dice = random.Random(name)
    signs = "春夏秋冬山川河流风雨雷电日月星辰金木水火土东西南北文书信件档案制度流程规范部门员工休假申请审批会议记录"
    lines = [f"# {name}", ""]
    for _ in range(6):
        lines += ["".join(dice.choice(signs) for _ in range(24)) + "。", ""]
    return "\n".join(lines)
