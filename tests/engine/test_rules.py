"""The rules that close the holes (design 12), one sequence of events each."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import replace

import exercised
import pytest
from laws import converged, marker_of, no_gap, rows, uploads
from texts import text
from world import World

from syncd.config import VerifyPolicy
from syncd.engine import Engine, Outcome
from syncd.errors import ConfigError
from syncd.models import DeletePolicy, HoldReason


@pytest.fixture(autouse=True)
def _counted() -> None:
    exercised.add("rules of design 12, tests")


def settled(world: World, *names: str) -> None:
    for name in names or ("a", "b", "c"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(100)


def collection(world: World, name: str, *, hidden: bool) -> str:
    [found] = [row["id"] for row in world.emulator.snapshot() if row["name"] == name and row["forbid"] is hidden]
    return str(found)


def outsider(world: World, collection_id: str, **change: object) -> None:
    world.call("core/dataset/collection/update", json={"id": collection_id, **change})


def outsider_deletes(world: World, collection_id: str) -> None:
    world.call("core/dataset/collection/delete", method="DELETE", params={"id": collection_id}, json={})


def findings(world: World) -> list[tuple[str, str]]:
    return rows(world, "select kind, path from findings where resolved_at is null order by id")


def calls(world: World, since: int) -> list[tuple[str, str]]:
    """The last part of each path, and what the request said."""
    return [(r.path.rsplit("/", 1)[-1], r.body) for r in world.requests()[since:]]


def test_rule_1_show_see_hide(world: World) -> None:
    """Rule 1: the old one is hidden only after ``detail`` has shown the new one visible."""
    settled(world)
    old = collection(world, "a.md", hidden=False)
    world.write("a.md", text("a", 2))
    since = len(world.requests())
    world.sync()
    new = collection(world, "a.md", hidden=False)
    seen = calls(world, since)
    shown = next(
        i for i, (path, body) in enumerate(seen) if path == "update" and new in body and '"forbid":false' in body
    )
    hidden = next(
        i for i, (path, body) in enumerate(seen) if path == "update" and old in body and '"forbid":true' in body
    )
    assert ("detail", f"id={new}") in seen[shown:hidden]


def test_rule_1_the_old_one_is_gone(world: World) -> None:
    """Rule 1: when search misses the new one and the old one is gone, the new one stays visible, with a finding."""
    settled(world)
    old = collection(world, "a.md", hidden=False)
    world.write("a.md", text("a", 2))
    assert world.crash_on("ledger.flipped.after") is not None
    outsider_deletes(world, old)
    world.emulator.faults.add("search_drop", match="a.md")
    world.sync()
    assert "a.md" in world.visible()
    assert ("unproven", "a.md") in findings(world)
    world.emulator.faults.clear()
    world.sleep(100)
    world.write("a.md", text("a", 3))
    assert world.sync().exit_code == 0
    converged(world)


def test_rule_1_the_old_one_is_gone_on_the_way_back(world: World) -> None:
    """Rule 1: a flip back that finds no old version leaves the new one visible, also after a crash."""
    settled(world)
    old = collection(world, "a.md", hidden=False)
    world.write("a.md", text("a", 2))
    world.emulator.faults.add("search_drop", match="a.md")
    assert world.crash_on("ledger.flip_back_intent.after") is not None
    outsider_deletes(world, old)
    world.sync()
    assert "a.md" in world.visible()
    no_gap(world)


def test_rule_1_the_new_one_vanishes_inside_the_flip(world: World) -> None:
    """Rule 1: when somebody deletes the new one after the old one was hidden, the old one is shown first of all."""
    settled(world)
    world.write("a.md", text("a", 2))
    assert world.crash_on("ledger.flipped.after") is not None
    outsider_deletes(world, collection(world, "a.md", hidden=False))
    world.write("a.md", b"")  # nothing can take its place
    world.sync()
    assert set(world.visible()) == {"a.md", "b.md", "c.md"}


@pytest.mark.parametrize("point", ["ledger.flip_intent.after", "http.update.after", "ledger.flipped.before"])
@pytest.mark.parametrize("then", ["emptied", "removed", "edited"])
def test_rule_2_a_begun_flip_is_finished_first(world: World, point: str, then: str) -> None:
    """Rule 2: whatever became of the file, a begun flip is finished or turned back before anything else."""
    settled(world)
    world.write("a.md", text("a", 2))
    assert world.crash_on(point, 2 if point.startswith("http") else 1) is not None
    if then == "removed":
        world.remove("a.md")
    else:
        world.write("a.md", b"" if then == "emptied" else text("a", 3))
    world.sync()
    assert rows(world, "select 1 from revisions where flip is not null") == []
    no_gap(world)
    assert len([row for row in world.emulator.snapshot() if row["name"] == "a.md" and not row["forbid"]]) == (
        0 if then == "removed" else 1
    )


def test_rule_2_a_stop_is_no_place_inside_a_flip(world: World) -> None:
    """Rule 2: a stop that comes while a flip is begun waits for its end."""
    settled(world)
    world.write("a.md", text("a", 2))

    async def stopped(engine: Engine) -> Outcome:
        world.during("chunks", engine.stop)
        from syncd import points

        points.install(world._hook)
        try:
            return await engine.sync()
        finally:
            points.install(None)

    world.run(stopped)
    assert rows(world, "select 1 from revisions where flip is not null") == []
    converged(world)


def test_rule_3_hidden_by_the_very_next_call(world: World) -> None:
    """Rule 3: the call after a creation hides it; after an unknown outcome it is the first thing when it is seen."""
    world.write("a.md", text("a"))
    world.sync()
    sent = [path for path, _ in calls(world, 0)]
    assert sent[sent.index("localFile") + 1] == "update"
    world.write("b.md", text("b"))
    since = len(world.requests())
    world.crash_on("http.upload.after")
    world.sync()
    after = calls(world, since)
    new = collection(world, "b.md", hidden=False)
    first = next((path, body) for path, body in after if new in body and path != "detail")
    assert first[0] == "update" and '"forbid":true' in first[1]


def test_rule_5_lagging_listings(make_world: object) -> None:
    """Rule 5: listings that are 20 s behind lose, double and hide nothing."""
    world = make_world(emulator_options={"secondary_lag": 20.0})  # type: ignore[operator]
    settled(world)
    world.write("a.md", text("a", 2))
    world.write("d/e.md", text("e"))
    world.remove("b.md")
    assert world.sync().exit_code == 0
    converged(world)
    no_gap(world)


@pytest.mark.parametrize("mode", ["embedding", "fullTextRecall", "mixedRecall"])
def test_rule_9_both_indexes_are_asked(world: World, mode: str) -> None:
    """Rule 9: whatever the mode, the proof has seen both an embedding and a full-text score."""
    world.source = replace(world.source, verify=VerifyPolicy(probes=2, search_mode=mode))
    world.write("a.md", text("a"))
    world.sync()
    asked = {json.loads(body)["searchMode"] for path, body in calls(world, 0) if path == "searchTest"}
    assert (
        asked
        == {
            "embedding": {"embedding", "fullTextRecall"},
            "fullTextRecall": {"embedding", "fullTextRecall"},
            "mixedRecall": {"mixedRecall"},
        }[mode]
    )


def test_rule_10_a_file_that_changes_while_it_is_sent(world: World) -> None:
    """Rule 10: a large file that changes under the reader's eyes is never shown in a mixed version."""
    large = "\n\n".join(text(f"large{i}", 1, 40) for i in range(2600))
    assert len(large) > 8 * 2**20
    world.write("a.txt", large)
    world.write("b.md", text("b"))
    changed = text("a", 2)
    done = []

    async def sync(engine: Engine) -> Outcome:
        from syncd import points

        def hook(point: str) -> None:
            if point == "http.upload.before" and not done and (world.root / "a.txt").stat().st_size > 2**20:
                done.append(1)
                world.write("a.txt", changed)

        points.install(hook)
        try:
            return await engine.sync()
        finally:
            points.install(None)

    world.run(sync)
    world.sync()
    shown = {e.metadata["syncd"]["sha256"] for e in world.emulator.timeline if e.event == "shown"}
    assert len(shown) == 2
    converged(world)


def test_rule_11_three_absences_over_thirty_seconds(world: World) -> None:
    """Rule 11: an upload without an answer is looked for three times over 30 s, by folder, before it is sent again."""
    world.write("sub/a.md", text("a"))
    world.emulator.faults.add("timeout_before", match="localFile")
    since = len(world.requests())
    assert world.sync().exit_code == 0
    requests = world.requests()[since:]
    first, second = [i for i, r in enumerate(requests) if r.path.endswith("localFile")]
    looks = [r for r in requests[first:second] if r.path.endswith("listV2")]
    assert len(looks) >= 3
    assert requests[second].at - requests[first].at >= 30
    assert all('"searchText":""' in r.body for r in looks)
    converged(world)


@pytest.mark.parametrize("others", [0, 2])
def test_rule_11_a_double_that_arrives_within_the_pass(world: World, others: int) -> None:
    """Rule 11: when an upload was sent again and the first one arrives after all, the same pass takes it away."""
    settled(world, *"bc"[:others], "z")
    world.write("a.md", text("a"))
    world.emulator.faults.add("late_effect", match="localFile", seconds=32)
    world.emulator.faults.add("train_slow", match="a.md", seconds=10)
    assert world.sync().exit_code == 0
    assert len([row for row in world.emulator.snapshot() if row["name"] == "a.md"]) == 1
    converged(world)


def test_rule_11_what_arrived_is_not_sent_again(world: World) -> None:
    """Rule 11: an upload that took effect before its answer was lost is found by its marker and used."""
    world.write("sub/a.md", text("a"))
    world.emulator.faults.add("timeout_after", match="localFile")
    assert world.sync().exit_code == 0
    assert uploads(world) == 1
    converged(world)


@pytest.mark.parametrize("hidden", [False, True])
def test_rule_12_trained_anew_under_another_id(world: World, hidden: bool) -> None:
    """Rule 12: a re-training on the server makes a new id with our marker; it is taken over without an upload."""
    settled(world)
    [old] = [row for row in world.emulator.snapshot() if row["name"] == "a.md"]
    new = world.outsider_upload("a.md", text("a"), collectionMetadata=old["metadata"], metadata=old["metadata"])
    if hidden:
        outsider(world, new, forbid=True)
    outsider_deletes(world, old["id"])
    before = uploads(world)
    world.write("d.md", text("d"))
    assert world.sync().exit_code == 0
    assert uploads(world) - before == 1
    assert collection(world, "a.md", hidden=False) == new
    converged(world)


def test_rule_13_shown_by_somebody(world: World) -> None:
    """Rules 13 and 27: a retired version that somebody made visible is hidden again and kept, and reported."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.sync()
    old = collection(world, "a.md", hidden=True)
    outsider(world, old, forbid=False)
    world.sleep(90_000)
    world.sync()
    assert old in {row["id"] for row in world.emulator.snapshot()}
    assert ("changed", "a.md") in findings(world)
    since = len(world.requests())
    world.sync()
    assert calls(world, since) == []


def test_rule_13_the_successor_is_hidden(world: World) -> None:
    """Rule 13: a replaced version is not deleted while its successor is hidden."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.sync()
    old = collection(world, "a.md", hidden=True)
    outsider(world, collection(world, "a.md", hidden=False), forbid=True)
    world.sleep(90_000)
    world.sync()
    assert old in {row["id"] for row in world.emulator.snapshot()}


def test_rule_14_emptied_folders(world: World) -> None:
    """Rule 14: a folder of ours goes after two empty listings at least 30 s apart, and never one that others use."""
    world.source = replace(world.source, delete=DeletePolicy(grace=0.0))
    for path in ("x/a.md", "y/b.md", "c.md"):
        world.write(path, text(path))
    world.sync()
    folder = next(row["id"] for row in world.emulator.snapshot() if row["name"] == "y")
    world.outsider_upload("note.md", text("note"), parent=folder)
    world.remove("x/a.md")
    world.remove("y/b.md")
    world.sync()
    assert {row["name"] for row in world.emulator.snapshot() if row["type"] == "folder"} == {"x", "y"}
    world.sleep(40)
    world.sync()
    assert {row["name"] for row in world.emulator.snapshot() if row["type"] == "folder"} == {"y"}
    assert [row["name"] for row in world.emulator.snapshot() if not marker_of(row)] == ["y", "note.md"]
    converged(world)


def test_rule_14_a_folder_that_is_used_again(world: World) -> None:
    """Rule 14: a folder that was seen empty and is used again has to be seen empty twice anew."""
    world.source = replace(world.source, delete=DeletePolicy(grace=0.0))
    world.write("x/a.md", text("a"))
    world.write("b.md", text("b"))
    world.sync()
    world.remove("x/a.md")
    world.sync()
    world.sleep(10)
    world.write("x/c.md", text("c"))
    world.sync()
    world.sleep(100)
    before = len(world.requests())
    world.sync()
    assert len(world.requests()) == before
    world.remove("x/c.md")
    world.sync()
    assert "x" in {row["name"] for row in world.emulator.snapshot()}
    world.sleep(100)
    world.sync()
    assert "x" not in {row["name"] for row in world.emulator.snapshot()}
    converged(world)


def test_rule_21_after_the_delete_was_sent(world: World) -> None:
    """Rule 21: once a delete has been sent, a file that is back is uploaded."""
    settled(world)
    world.remove("a.md")
    world.sync()
    world.sleep(90_000)
    assert world.crash_on("ledger.delete_intent.after") is not None
    before = uploads(world)
    world.write("a.md", text("a"))
    assert world.sync().exit_code == 0
    assert uploads(world) - before == 1
    converged(world)


def test_rule_21_gone_again_while_it_is_shown(world: World) -> None:
    """Rule 21: a crash while a retired version is shown again, and the file gone once more, leave nothing visible."""
    settled(world)
    world.remove("a.md")
    world.sync()
    world.sleep(100)
    world.write("a.md", text("a", 2))
    assert world.crash_on("http.update.after") is not None
    assert "a.md" in world.visible()
    world.remove("a.md")
    world.sync()
    assert set(world.visible()) == {"b.md", "c.md"}
    converged(world)


def test_rule_26_two_datasets_of_one_name(world: World) -> None:
    """Rule 26: two datasets of the configured name are an error that names both ids."""
    for _ in range(2):
        body = {"name": "Handbook", "type": "dataset", "intro": "", "avatar": ""}
        world.call("core/dataset/create", json=body)
    world.write("a.md", text("a"))
    with pytest.raises(ConfigError) as caught:
        world.sync()
    assert caught.value.exit_code == 78
    assert caught.value.message.count("6b00000100") == 2


def test_rule_27_the_serving_one_was_hidden(world: World) -> None:
    """Rule 27: somebody who hides what serves is not fought; a finding says so, and the next revision mends it."""
    settled(world)
    outsider(world, collection(world, "a.md", hidden=False), forbid=True)
    world.write("d.md", text("d"))
    world.sync()
    assert "a.md" not in world.visible()
    assert ("changed", "a.md") in findings(world)
    world.sleep(100)
    world.write("a.md", text("a", 2))
    world.sync()
    assert "a.md" in world.visible()
    converged(world)


def test_rule_27_a_retired_one_was_shown(world: World) -> None:
    """Rule 27: a retired version that somebody shows is hidden again, with a finding, and the serving one stays."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.sync()
    outsider(world, collection(world, "a.md", hidden=True), forbid=False)
    world.write("d.md", text("d"))
    world.sync()
    assert ("changed", "a.md") in findings(world)
    converged(world)
    no_gap(world)


def test_rule_27_both_at_once(world: World) -> None:
    """Rules 1 and 27: somebody went back by hand; the version that serves is shown before the other one is hidden."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.sync()
    old, new = collection(world, "a.md", hidden=True), collection(world, "a.md", hidden=False)
    outsider(world, old, forbid=False)
    outsider(world, new, forbid=True)
    world.write("d.md", text("d"))
    world.sync()
    assert collection(world, "a.md", hidden=False) == new
    no_gap(world)
    converged(world)


def test_a_limit_for_the_pass(world: World) -> None:
    """A pass that reaches its bound stops at a safe point and says that not all is proven (exit 4)."""
    world.emulator.faults.add("train_slow", match="a.md", seconds=500)
    world.write("a.md", text("a"))
    outcome = world.sync(limit=60.0)
    assert outcome.exit_code == 4
    assert world.now() < 1_800_000_100
    world.sleep(1000)
    assert world.sync().exit_code == 0
    converged(world)


def test_a_stop_does_not_wait_for_training(world: World) -> None:
    """A stop ends a pass at once when all that is left is waiting; the next one goes on without an upload."""
    world.emulator.faults.add("train_slow", match="a.md", seconds=5000)
    world.write("a.md", text("a"))

    async def stopped(engine: Engine) -> Outcome:
        asyncio.get_running_loop().call_later(10, engine.stop)
        return await engine.sync()

    world.run(stopped)
    assert world.now() < 1_800_000_020
    world.sleep(10_000)
    assert world.sync().exit_code == 0
    assert uploads(world) == 1
    converged(world)


def test_excluded_documents_go_when_released(world: World) -> None:
    """Rules 18 and 20: documents that an exclude takes out of scope are held, and go when a person says so."""
    from syncd import decisions
    from syncd.ledger import Ledger, records

    settled(world)
    world.source = replace(world.source, exclude=("a.md",))
    assert world.sync().exit_code == 6
    assert "a.md" in world.visible()
    ledger = Ledger(world.ledger_path)
    shown = records.holds(ledger.conn)[0].id
    assert decisions.release(ledger, "docs", world.now(), hold=shown).paths == ["a.md"]
    ledger.close()
    assert world.sync().exit_code == 0
    assert set(world.visible()) == {"b.md", "c.md"}


def test_ignored_documents_go(world: World) -> None:
    """A document that a .syncdignore takes out of scope goes although its file is still there."""
    settled(world)
    world.write(".syncdignore", "a.md\n")
    assert world.sync().counts["retired"] == 1
    assert set(world.visible()) == {"b.md", "c.md"}


def test_a_folder_that_cannot_be_looked_into_is_named_in_the_hold(world: World) -> None:
    """What holds a source because a part of it cannot be read says which part, and why."""
    from syncd.ledger import Ledger, records

    settled(world)
    world.write("in/.syncdignore", "a.md\n[z-a]\n")
    (world.root / "a.md").unlink()
    assert world.sync().exit_code == 6
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        (hold,) = records.holds(ledger.conn)
    why = "in: in/.syncdignore:2: the pattern '[z-a]' is malformed: the range \"z-a\" is empty"
    assert (HoldReason.UNREADABLE, why) == (hold.reason, hold.message.partition(": ")[2])


def test_rule_6_the_old_version_is_the_control(world: World) -> None:
    """Rule 6: a lone document whose old version is found again shows that search works: the new one is missing."""
    settled(world, "a")
    world.write("a.md", text("a", 2))
    new = world.emulator.faults.add("search_drop", match="a.md")

    async def sync(engine: Engine) -> Outcome:
        from syncd import points

        def hook(point: str) -> None:
            if point == "ledger.flipped_back.after":
                world.emulator.faults.remove(new.id)

        points.install(hook)
        try:
            return await engine.sync()
        finally:
            points.install(None)

    assert world.run(sync).exit_code == 3
    assert world.documents()["a.md"]["quarantine"] == "search-missing"
    converged(world, failing=("a.md",))
    no_gap(world)


def test_another_dataset(world: World) -> None:
    """A source that is given another dataset is mirrored there; what stands in the old one is left alone."""
    world.space = "kept"
    settled(world)
    world.source = replace(world.source, dataset="Second")
    assert world.sync().exit_code == 0
    datasets = {row["datasetId"] for row in world.emulator.snapshot() if row["name"] == "a.md"}
    assert len(datasets) == 2
    before = uploads(world)
    world.sleep(1000)
    world.source = replace(world.source, dataset="Handbook")
    assert world.sync().exit_code == 0
    assert uploads(world) == before
    assert not any(row["forbid"] for row in world.emulator.snapshot())
    assert not any(event.event == "deleted" for event in world.emulator.timeline)


def test_rule_16_a_file_that_is_back_before_it_goes(world: World) -> None:
    """Rule 16: a file that is there again when its retirement is due is not retired, however the plan was made."""
    settled(world)
    world.remove("a.md")
    world.during("dataset", lambda: world.write("a.md", text("a")))
    world.sync()
    assert not any(event.event == "hidden" and event.at > 1_800_000_050 for event in world.emulator.timeline)
    converged(world)
    no_gap(world)


def test_rule_17_deletions_wait_for_failed_uploads(world: World) -> None:
    """Rule 17: while an upload of the pass failed, no vanished file is retired: it may have moved and changed."""
    settled(world)
    world.remove("a.md")
    world.write("moved.md", text("a", 2))
    world.emulator.faults.add("train_error", match="moved.md", times=10)
    assert world.sync().exit_code == 3
    assert "a.md" in world.visible()


def test_one_engine_many_passes(world: World) -> None:
    """The service's engine forgets with each pass what held for the last one."""
    world.write("a.md", text("a"))

    async def passes(engine: Engine) -> list[int]:
        ends = []
        for version in (1, 2, 3):
            world.write("a.md", text("a", version))
            if version == 2:
                world.emulator.faults.add("search_empty", times=100_000)
            else:
                world.emulator.faults.clear()
            await asyncio.sleep(100)
            ends.append((await engine.sync()).exit_code)
        return ends

    assert world.run(passes) == [0, 4, 0]
    converged(world)
    no_gap(world)
