"""Removes folders that we made on the server, once nothing is in them there and nothing of them is left here.

Deleting a folder deletes whatever is below it (observed fact 14), so a folder goes only if the ledger knows it as
ours, no revision in any state lives there, and two listings at least 30 s apart were empty (rule 14). The first
listing is taken by the pass that emptied it, the second one by a later pass.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable

from syncd.due import has_come
from syncd.errors import RemoteMissing
from syncd.fastgpt.client import Client
from syncd.folders import Folders
from syncd.ledger import MANY, Ledger, remote
from syncd.ledger.remote import MadeFolder

APART = 30.0  # seconds between the two listings


async def due(ledger: Ledger, source: str, now: float) -> list[MadeFolder]:
    """Folders of ours with nothing in them that were not looked at yet, or were seen empty long enough ago."""
    empty = await ledger.read(lambda conn: remote.unused_folders(conn, remote.made_folders(conn, source)))
    return [folder for folder in empty if folder.empty_since is None or _long_empty(folder, now)]


async def second_look_due(ledger: Ledger, source: str, now: float) -> bool:
    """Whether a folder was seen empty once, long enough ago, and is still not used; cheap when there is none."""
    seen = [folder for folder in remote.seen_empty(ledger.conn, source) if _long_empty(folder, now)]
    return bool(seen and await ledger.read(lambda conn: remote.unused_folders(conn, seen)))


def _long_empty(folder: MadeFolder, now: float) -> bool:
    return folder.empty_since is not None and has_come(folder.empty_since + APART, now, APART)


async def forget_first_looks(ledger: Ledger, source: str) -> None:
    """A folder that was seen empty and is used again has to be seen empty twice anew."""
    seen = remote.seen_empty(ledger.conn, source)
    if not seen:
        return
    unused = {folder.path for folder in await ledger.read(lambda conn: remote.unused_folders(conn, seen))}
    used = [folder.path for folder in seen if folder.path not in unused]

    def forget(db: sqlite3.Connection) -> None:
        for path in used:
            remote.mark_empty(db, source, path, None)

    if used:
        await ledger.commit("folder_used", forget, beside=len(used) > MANY)


async def tidy(client: Client, ledger: Ledger, folders: Folders, source: str, now: Callable[[], float]) -> int:
    """Take the listings that are due, deepest folders first; returns how many folders were removed."""
    removed = 0
    for folder in await due(ledger, source, now()):
        removed += await _look(client, ledger, folders, folder, now)
    return removed


async def _look(client: Client, ledger: Ledger, folders: Folders, folder: MadeFolder, now: Callable[[], float]) -> bool:
    """One listing of one folder and what follows from it; returns whether the folder was removed."""
    async with folders.alone():  # since the plan somebody may have begun to use it (rule 14)
        if await ledger.read(lambda conn: remote.folder_in_use(conn, folder)):
            return False
        return await _look_alone(client, ledger, folders, folder, now)


async def _look_alone(
    client: Client, ledger: Ledger, folders: Folders, folder: MadeFolder, now: Callable[[], float]
) -> bool:
    page = await client.collections(folder.dataset_id, folder.collection_id, page_size=1)
    if page.rows:
        await ledger.commit("folder_shared", lambda db: remote.give_up_folder(db, folder.source, folder.path))
        return False
    if folder.empty_since is None:
        await ledger.commit("folder_empty", lambda db: remote.mark_empty(db, folder.source, folder.path, now()))
        return False
    with contextlib.suppress(RemoteMissing):  # somebody may have been faster
        await client.delete(folder.collection_id)
    await ledger.commit("folder_removed", lambda db: remote.forget_folder(db, folder.source, folder.path))
    folders.forget(folder.dataset_id, folder.path)
    return True
