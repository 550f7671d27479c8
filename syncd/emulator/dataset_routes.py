"""core/dataset/…: datasets (record, section 1)."""

from __future__ import annotations

from typing import Any

from syncd.emulator.answers import missing_params, no_dataset, thrown, unauthorized
from syncd.emulator.call import Call, check
from syncd.emulator.naming import require_object_id
from syncd.emulator.shapes import dataset_detail, dataset_row

_TYPES = ("folder", "dataset", "websiteDataset", "externalFile", "apiDataset", "feishu", "yuque")
_DELETE_SECONDS = 1.1  # the first refusal came 1.1 s after the delete (record, section 11)


def create(call: Call) -> str:
    """Names are not unique and models are not checked."""
    core, body = call.core, call.body
    if not core.options.logged_in:  # the account has no record of what it may have until its first login (R15)
        raise thrown("Cannot read properties of undefined (reading 'currentSubLevel')")
    if core.dialect.dataset_needs_all_fields:
        check(call, name="str", type="str", intro="str", avatar="str")
    name = body.get("name")
    if not name:
        raise thrown("Validation failed: name: Path `name` is required.")
    kind = body.get("type") or "dataset"
    if kind not in _TYPES:
        raise thrown(f"Validation failed: type: `{kind}` is not a valid enum value for path `type`.")
    parent = body.get("parentId")
    dataset_id = core.ids.new()
    avatar = body.get("avatar")
    with core.store.change() as db:
        db.execute(
            "insert into datasets (id, parent, type, name, intro, avatar, vector_model, agent_model, update_time) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                dataset_id,
                core.dataset(parent)["id"] if parent else "",
                kind,
                str(name),
                str(body.get("intro") or ""),
                "/icon/logo.svg" if avatar is None else str(avatar),
                str(body.get("vectorModel") or "lab-embedding"),
                str(body.get("agentModel") or "lab-llm"),
                core.now(),
            ),
        )
    return dataset_id


def listing(call: Call) -> list[dict[str, Any]]:
    """Newest first; ``searchKey`` ignores the folder; those being deleted are hidden."""
    core = call.core
    key, parent = call.body.get("searchKey"), call.body.get("parentId") or ""
    where, value = ("parent = ?", str(parent))
    if key:
        where, value = ("instr(lower(name || ' ' || intro), lower(?)) > 0", str(key))
    rows = core.store.all(
        f"select * from datasets where delete_time is null and {where} order by update_time desc, n desc", value
    )
    kind = call.body.get("type")
    return [dataset_row(core, row) for row in rows if not kind or row["type"] == kind]


def detail(call: Call) -> dict[str, Any]:
    """Best check of key, dataset and rights in one call."""
    if "id" not in call.query:
        raise missing_params()
    return dataset_detail(call.core, call.core.dataset(call.query["id"]))


def update(call: Call) -> None:
    """Refuses API keys up to 4.14 (observed fact 5)."""
    if not call.core.dialect.key_opens_dataset_update:
        raise unauthorized()
    check(call, id="str", name="str?", intro="str?")
    row = call.core.dataset(call.body.get("id"))
    name = call.body.get("name") or row["name"]
    intro = call.body.get("intro")
    with call.core.store.change() as db:
        db.execute(
            "update datasets set name = ?, intro = ?, update_time = ? where id = ?",
            (name, row["intro"] if intro is None else intro, call.core.now(), row["id"]),
        )


def delete(call: Call) -> None:
    """Answers at once; detail goes on answering for about a second (observed fact 14)."""
    core = call.core
    wanted = call.query.get("id")
    if not wanted:
        raise missing_params()
    row = core.store.one("select * from datasets where id = ?", require_object_id(wanted, "datasets"))
    if row is None:
        raise no_dataset()
    found = core.store.all(
        "with recursive below (id) as (select ? union select d.id from datasets d join below b on d.parent = b.id) "
        "select id from below",
        row["id"],
    )
    with core.store.change() as db:
        for item in found:
            db.execute("update datasets set delete_time = ? where id = ?", (core.now(), item["id"]))
    for item in found:
        core.queue.purge_later(item["id"], _DELETE_SECONDS)
