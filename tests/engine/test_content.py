"""Documents whose content the whole engine proves: what is left behind, and what is long."""

from __future__ import annotations

from pathlib import Path

from world import World

SERVED = Path(__file__).parent.parent / "served"


def test_what_fastgpt_leaves_behind_is_told(world: World) -> None:
    """A verified document of which a small part is not taken over carries a remark; a large part makes it weak."""
    world.write("errors.xlsx", (SERVED / "xlsx/bool_err.xlsx").read_bytes())
    world.write("math.docx", (SERVED / "docx/math.docx").read_bytes())
    assert world.sync().counts["verified"] == 2
    errors, math = world.documents()["errors.xlsx"], world.documents()["math.docx"]
    assert (errors["remark"], errors["weak"]) == ("40 cells with an error are not taken over by FastGPT", "")
    assert math["weak"] == "20 formulas are not taken over by FastGPT"


def test_a_long_text_is_proven_beside_the_loop(world: World) -> None:
    """A text that is too long to be compared at once is verified like any other."""
    lines = (f"Record {i}: pump {i * 7919 % 9973} ran at {90 + i % 37} bar, and nobody spoke.\n" for i in range(1500))
    world.write("long.txt", "".join(lines))
    assert world.sync().counts["verified"] == 1
    assert world.documents()["long.txt"]["weak"] == ""
