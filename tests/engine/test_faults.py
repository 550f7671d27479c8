"""Each trouble of the server at each kind of call: the right end, and nobody blamed for it (law 9)."""

from __future__ import annotations

import exercised
import pytest
from laws import converged, marker_of, no_gap, rows, uploads
from texts import text
from world import World

from syncd.errors import AccountRefused, Incompatible, Unavailable

CALLS = {
    "datasets": "dataset/list",
    "create_dataset": "dataset/create",
    "list": "listV2",
    "create_folder": "POST /api/core/dataset/collection/create",
    "upload": "localFile",
    "update": "collection/update",
    "training": "trainingDetail",
    "chunks": "data/v2/list",
    "search": "searchTest",
    "detail": "collection/detail",
    "delete": "collection/delete",
}
PASSING = [
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "reset_mid",
    "rate_limit",
    "error_500",
    "html_502",
    "code_200",
    "cut_json",
    "stale_read",
    "slow",
]


def stage(world: World) -> None:
    """A world in which a pass makes every kind of call but those for a new dataset."""
    world.delete_at_once()
    for name in ("a", "b", "c"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.write("a.md", text("a", 2))
    world.write("sub/new.md", text("new"))
    world.remove("b.md")


def nobody_is_blamed(world: World) -> None:
    assert rows(world, "select path, last_error from documents where quarantine is not null or attempts > 0") == []


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_passes(world: World, call: str, kind: str) -> None:
    """A single failure of any call is got over within the pass, without a double, a gap or a blame (laws 1, 3, 9)."""
    exercised.add(f"fault {kind}")
    fresh = call in ("datasets", "create_dataset")
    if fresh:
        world.write("a.md", text("a"))
        world.write("sub/new.md", text("new"))
    else:
        stage(world)
    before = uploads(world)
    # The route of folders is the beginning of the upload's: the latter never comes first.
    world.emulator.faults.add(kind, match=CALLS[call])
    outcome = world.sync()
    assert outcome.exit_code == 0, outcome
    assert world.emulator.faults.struck.get(kind, 0) == 1
    nobody_is_blamed(world)
    converged(world)
    no_gap(world)
    assert uploads(world) - before <= 3


@pytest.mark.parametrize("call", [name for name in CALLS if name not in ("datasets", "create_dataset")])
def test_an_outage_in_the_middle(world: World, call: str) -> None:
    """A server that goes away for good ends the pass with 69, and the next pass ends as if nothing had been."""
    exercised.add("fault outage")
    stage(world)
    world.emulator.faults.add("timeout_before", match=CALLS[call])
    world.emulator.faults.add("html_502", match="", times=1_000_000, after=0)
    with pytest.raises(Unavailable):
        world.sync()
    no_gap(world)
    world.emulator.faults.clear()
    world.sleep(100)
    assert world.sync().exit_code == 0
    nobody_is_blamed(world)
    converged(world)
    no_gap(world)


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [("key_refused", AccountRefused, 77), ("quota", AccountRefused, 77), ("wrong_shape", Incompatible, 76)],
)
@pytest.mark.parametrize("call", ["list", "upload", "update", "training", "chunks", "search", "detail", "delete"])
def test_what_waiting_does_not_cure(world: World, call: str, kind: str, error: type, code: int) -> None:
    """What is refused to everybody ends the pass with its code; nobody is blamed. What is refused once is got over."""
    exercised.add(f"fault {kind}")
    stage(world)
    world.emulator.faults.add(kind, match=CALLS[call], times=1_000_000)
    began = world.time
    if (call, kind) in (("upload", "wrong_shape"), ("update", "wrong_shape"), ("delete", "wrong_shape")):
        # Nobody looks into the answer of an update; an upload without an id is looked for.
        assert world.sync().exit_code == 0
    elif call == "list" and kind != "wrong_shape":  # the source cannot be served
        assert world.sync().exit_code == code
    else:
        with pytest.raises(error) as caught:
            world.sync()
        assert caught.value.exit_code == code
        assert world.time - began < 40.0
    no_gap(world)
    world.emulator.faults.clear()
    world.sleep(100)
    assert world.sync().exit_code == 0
    nobody_is_blamed(world)
    converged(world)
    no_gap(world)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (call, kind)
        for call in ("list", "upload", "update", "training", "chunks", "search", "detail", "delete")
        for kind in ("key_refused", "quota", "wrong_shape")
        if (call, kind) != ("list", "wrong_shape")  # it may have no end, so it ends a run at once (test_misshapen)
    ],
)
def test_what_is_refused_once(world: World, call: str, kind: str) -> None:
    """One refusal among calls that are answered is got over within the pass."""
    stage(world)
    world.emulator.faults.add(kind, match=CALLS[call])
    assert world.sync().exit_code == 0
    nobody_is_blamed(world)
    converged(world)
    no_gap(world)


def test_a_key_that_is_refused_everywhere(world: World) -> None:
    """A key that the server does not know any more ends the pass at once with 77, whichever call hears of it first."""
    stage(world)
    world.emulator.faults.add("key_refused", match="", times=1_000_000, after=12)
    began = world.time
    with pytest.raises(AccountRefused) as caught:
        world.sync()
    assert caught.value.exit_code == 77
    assert world.time - began < 2.0
    nobody_is_blamed(world)


@pytest.mark.parametrize(("after", "ends"), [(5, 0), (300, 75), (None, 0)])
def test_rate_limit(world: World, after: int | None, ends: int) -> None:
    """Retry-After is obeyed; one beyond the patience of the pass ends it with 75, when all else is done."""
    exercised.add("fault rate_limit with Retry-After")
    world.write("a.md", text("a"))
    world.emulator.faults.add("rate_limit", match="localFile", **({} if after is None else {"retry_after": after}))
    if ends:
        assert world.sync().exit_code == ends
        world.sleep(400)
    started = world.now()
    assert world.sync().exit_code == 0
    if after == 5:
        assert world.now() - started >= 5
    nobody_is_blamed(world)
    converged(world)


def test_uploads_refused_for_everybody(world: World) -> None:
    """A server that takes no upload at all is in trouble; no document is counted or quarantined for it (law 9)."""
    for name in "abc":
        world.write(f"{name}.md", text(name))
    world.emulator.faults.add("error_500", match="localFile", times=1_000_000)
    assert world.sync().exit_code == 69
    nobody_is_blamed(world)
    world.emulator.faults.clear()
    assert world.sync().exit_code == 0
    converged(world)


def test_uploads_refused_for_one(world: World) -> None:
    """A document that the server refuses while it takes others is given up after a few runs."""
    for name in "abc":
        world.write(f"{name}.md", text(name))
    world.emulator.faults.add("error_500", match="localFile", times=1_000_000, body="b.md")
    for number in range(6):
        assert world.sync().exit_code == 3
        world.write(f"d{number}.md", text(f"d{number}"))
    assert world.sync().exit_code == 3
    assert world.documents()["b.md"]["quarantine"] == "upload-failed"
    converged(world, failing=("b.md",))


def test_stuck_training(world: World) -> None:
    """Training that stands still is blamed on a document only while others are trained (rule 6)."""
    exercised.add("fault train_stuck")
    world.fastgpt["training_timeout"] = 600.0
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.emulator.faults.add("train_stuck", match="a.md")
    world.emulator.faults.add("train_slow", match="b.md", seconds=30)
    assert world.sync().exit_code == 3
    assert world.documents()["a.md"]["quarantine"] == "training-timeout"
    converged(world, failing=("a.md",))


def test_stuck_queue(world: World) -> None:
    """When nothing is trained and nothing else can be found, nobody is blamed: uploaded, but not proven (rule 6)."""
    exercised.add("fault train_stuck")
    world.fastgpt["training_timeout"] = 600.0
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.emulator.faults.add("train_stuck", times=2)
    assert world.sync().exit_code == 4
    nobody_is_blamed(world)
    assert world.visible() == {}


@pytest.mark.parametrize(("stage_", "code"), [("parse", "parse-failed"), ("chunk", "training-failed")])
def test_final_training_error(world: World, stage_: str, code: str) -> None:
    """A final error is quarantined with its kind once another document is trained; the old version serves on."""
    exercised.add("fault train_error")
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    for name in "ab":
        world.write(f"{name}.md", text(name, 2))
    world.emulator.faults.add("train_slow", match="b.md", seconds=3)
    world.emulator.faults.add("train_error", match="a.md", stage=stage_, times=10)
    assert world.sync().exit_code == 3
    assert world.documents()["a.md"]["quarantine"] == code
    assert set(world.visible()) == {"a.md", "b.md"}
    no_gap(world)


def test_embedding_down_for_everybody(world: World) -> None:
    """Final training errors of all documents at once are the server's trouble (law 9)."""
    exercised.add("fault train_error for all")
    for name in "abc":
        world.write(f"{name}.md", text(name))
    world.emulator.faults.add("train_error", stage="chunk", times=1000)
    assert world.sync().exit_code == 4
    nobody_is_blamed(world)


def test_flaky_training(world: World) -> None:
    """An embedding error that heals is waited for."""
    exercised.add("fault train_flaky")
    world.write("a.md", text("a"))
    world.emulator.faults.add("train_flaky", match="a.md", n=2)
    assert world.sync().exit_code == 0
    converged(world)


@pytest.mark.parametrize("moment", ["create/localFile", "trainingDetail", "data/v2/list", "searchTest"])
def test_deleted_by_somebody_else_under_way(world: World, moment: str) -> None:
    """A candidate that somebody deletes at any moment is sent again; the old version is visible all the time."""
    exercised.add("deleted by an outsider")
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    world.write("a.md", text("a", 2))
    point = {
        "create/localFile": "http.upload.after",
        "trainingDetail": "http.training.after",
        "data/v2/list": "http.chunks.after",
        "searchTest": "http.search.after",
    }[moment]
    world.crash_on(point)
    [candidate] = [
        row["id"]
        for row in world.emulator.snapshot()
        if row["metadata"]["syncd"]["sha256"]
        not in {r[0] for r in rows(world, "select sha256 from revisions where state = 'verified'")}
    ]
    world.call("core/dataset/collection/delete", method="DELETE", params={"id": candidate}, json={})
    assert world.sync().exit_code == 0
    converged(world)
    if moment != "searchTest":
        no_gap(world)


def test_vanishing_after_training(world: World) -> None:
    """A collection that disappears right after its training is uploaded again."""
    exercised.add("fault vanish")
    world.write("a.md", text("a"))
    world.write("b.md", text("b"))
    world.emulator.faults.add("vanish", match="a.md")
    assert world.sync().exit_code == 0
    converged(world)


def test_a_server_that_always_loses_one(world: World) -> None:
    """A document whose collection vanishes again and again is quarantined at the limit, not uploaded for ever."""
    exercised.add("fault vanish")
    world.write("a.md", text("a"))
    world.write("b.md", text("b"))
    world.emulator.faults.add("vanish", match="a.md", times=1_000)
    assert world.sync().exit_code == 3
    assert uploads(world) <= 8


def test_serving_deleted_by_somebody_else(world: World) -> None:
    """A serving collection that somebody deleted is uploaded again by the next pass that looks at the server."""
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.sync()
    [lost] = [row["id"] for row in world.emulator.snapshot() if row["name"] == "a.md"]
    world.call("core/dataset/collection/delete", method="DELETE", params={"id": lost}, json={})
    world.write("c.md", text("c"))
    assert world.sync().exit_code == 0
    assert set(world.visible()) == {"a.md", "b.md", "c.md"}
    converged(world)


def test_duplicates_by_an_outsider(world: World) -> None:
    """A copy that somebody else made, even of our metadata, never stays visible beside ours, and strangers stay."""
    exercised.add("duplicates by an outsider")
    world.write("a.md", text("a"))
    world.sync()
    [ours] = [row for row in world.emulator.snapshot() if marker_of(row)]
    world.outsider_upload("a.md", text("a"))
    world.outsider_upload("a.md", text("a"), collectionMetadata=ours["metadata"], metadata=ours["metadata"])
    world.write("b.md", text("b"))
    assert world.sync().exit_code == 0
    assert set(world.visible()) == {"a.md", "b.md"}
    assert len(world.emulator.snapshot()) == 3
    converged(world)


@pytest.mark.parametrize("seconds", [3, 45, 200])
def test_late_effect(world: World, seconds: int) -> None:
    """An upload that takes effect long after it was given up leaves one version, whenever it comes (rule 11)."""
    exercised.add("fault late_effect")
    world.write("a.md", text("a"))
    world.write("b.md", text("b"))
    world.emulator.faults.add("late_effect", match="localFile", seconds=seconds, body="a.md")
    assert world.sync().exit_code == 0
    world.call("core/dataset/list", json={"parentId": ""}, wait=max(0.0, seconds))
    world.sleep(700)
    assert world.sync().exit_code == 0
    assert set(world.visible()) == {"a.md", "b.md"}
    converged(world)


def test_dataset_deleted_in_the_middle(world: World) -> None:
    """A dataset that is deleted holds its source and is never made again (rule 26)."""
    world.write("a.md", text("a"))
    world.sync()
    dataset = world.emulator.snapshot()[0]["datasetId"]
    world.call("core/dataset/delete", method="DELETE", params={"id": dataset}, json={})
    world.write("b.md", text("b"))
    outcome = world.sync()
    assert outcome.exit_code == 6
    assert "not on the server any more" in outcome.troubles["docs"]
    assert world.emulator.snapshot() == []
