"""Law 3: whatever comes instead of the answer, what took effect is used, and nothing is made twice."""

from __future__ import annotations

import exercised
import pytest
from answers import UNCLEAR, instead
from laws import converged, marker_of, no_gap, rows
from texts import text
from world import World

# What is done when the answer is lost: the call, which one of the pass, and whether an earlier version serves.
MOMENTS = {
    "the upload of a first version": ("upload", 1, False),
    "the upload of a replacement": ("upload", 1, True),
    "the making of a dataset": ("create_dataset", 1, False),
    "the making of a folder": ("create_folder", 1, False),
    "the hiding of a first version": ("update", 1, False),
    "the showing of a first version": ("update", 2, False),
    "the hiding of a replacement": ("update", 1, True),
    "the showing of a replacement": ("update", 2, True),
    "the hiding of the old version": ("update", 3, True),
    "the deletion of the old version": ("delete", 1, True),
}
OF_THE_DOCUMENT = ("upload", "update")
# What states an end is simply sent again, whatever came: a few answers of each sort are enough in the ordinary run.
FEW = ("fastgpt 500 read ECONNRESET", "fastgpt 413", "text 503", "page 403", "json 409", "302 to a login", "reset")
ALL = [
    pytest.param(moment, answer, marks=() if made or answer in FEW else pytest.mark.long)
    for moment, made in ((moment, call not in ("update", "delete")) for moment, (call, _, _) in MOMENTS.items())
    for answer in UNCLEAR
]


@pytest.mark.parametrize(("moment", "answer"), ALL)
def test_every_answer_after_the_effect_of_every_call(world: World, moment: str, answer: str) -> None:
    """After the effect no answer whatever leads to a second creation, a gap, a double or a blame (laws 1 to 3)."""
    exercised.add("unclear answers after the effect")
    call, nth, replaces = MOMENTS[moment]
    world.delete_at_once()
    if call != "create_dataset":
        world.write("other.md", text("other"))
        if replaces:
            world.write("sub/target.md", text("target"))
        assert world.sync().exit_code == 0
        world.sleep(1000)
    began = len(world.emulator.timeline)
    world.write("sub/target.md", text("target", 2))
    path = "sub/target.md" if call in OF_THE_DOCUMENT else ""
    struck = instead(world, call, UNCLEAR[answer], path=path, nth=nth)
    outcome = world.sync()
    assert len(struck) == 1
    assert outcome.exit_code == 0, outcome
    assert rows(world, "select path from documents where quarantine is not null or attempts > 0") == []
    made = [e for e in world.emulator.timeline[began:] if e.event == "created" and "syncd" in e.metadata]
    assert [e.metadata["syncd"]["path"] for e in made] == ["sub/target.md"]
    assert sorted(world.visible()) == (["sub/target.md"] if call == "create_dataset" else ["other.md", "sub/target.md"])
    assert len([row for row in world.emulator.snapshot() if row["type"] == "folder"]) == 1
    assert len({row["datasetId"] for row in world.emulator.snapshot()}) == 1
    assert all(not row["forbid"] for row in world.emulator.snapshot() if marker_of(row))
    converged(world)
    no_gap(world)
