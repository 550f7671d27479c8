"""Which dataset a source feeds: bound once, by id (rule 26)."""

from __future__ import annotations

import asyncio
import re

from syncd.apply import SourceState
from syncd.errors import EXIT_BUSY, AccountRefused, ConfigError, OutcomeUnknown, RemoteMissing, SourceError, Unavailable
from syncd.fastgpt.client import Client
from syncd.fastgpt.endpoints import DATASET
from syncd.fastgpt.models import Dataset
from syncd.fastgpt.reading import Misshapen
from syncd.ledger import Ledger, remote

_LOOK_AFTER = (5.0, 10.0, 15.1)  # seconds; what may have been made is looked for so often before it is made again
_ID = re.compile(r"[0-9a-f]{24}")  # MongoDB's ObjectId


class NotYet(SourceError):
    """What another shard makes is not there yet; later it is."""

    exit_code = EXIT_BUSY


async def bind(client: Client, ledger: Ledger, state: SourceState, *, make: bool = True) -> str:
    """Return the id of the source's dataset; a named one is made when missing.

    Args:
        client: the API client.
        ledger: keeps the binding.
        state: the source.
        make: when not, "" is returned for a named one that is missing, and nothing is bound.

    Raises:
        SourceError: the bound dataset is gone, or the configured id does not exist.
        ConfigError: two datasets have that name.
        AccountRefused: the key's member may not write there.
        Unavailable: the dataset may or may not have been made; calling again looks first.
    """
    source = state.config
    await ledger.commit("source", lambda db: remote.ensure_source(db, source.name))
    row = remote.source(ledger.conn, source.name)
    if row is not None and row.dataset_id is not None and row.dataset_ref == source.dataset:
        return await _bound(client, source.name, source.dataset, row.dataset_id)
    if _ID.fullmatch(source.dataset):
        dataset_id = await _bound(client, source.name, source.dataset, source.dataset)
    else:
        found = await _by_name(client, source.dataset)
        if found is None and not make:
            return ""
        dataset_id = found or await _make(client, source.dataset, may=state.shard is None or state.shard.index == 0)
        await _is_it(client, source.dataset, dataset_id)
    # What the ledger knows of another dataset is let go of; that may be every version of 100 000 documents.
    other = row is not None and row.dataset_id not in (None, dataset_id)
    await ledger.commit(
        "bound", lambda db: remote.bind_dataset(db, source.name, source.dataset, dataset_id), beside=other
    )
    return dataset_id


async def _bound(client: Client, source: str, reference: str, dataset_id: str) -> str:
    try:
        dataset = await client.dataset(dataset_id)
    except RemoteMissing as error:
        raise SourceError(
            f'source "{source}": the dataset "{reference}" ({dataset_id}) is not on the server any more',
            hint="if it was deleted on purpose, name another dataset in the configuration; "
            "syncd never makes a lost dataset again by itself",
        ) from error
    _may_write(dataset)
    return dataset.id


async def _is_it(client: Client, name: str, dataset_id: str) -> None:
    """Look at what is about to be remembered for good: an answer with another's id would be believed for ever.

    Raises:
        Misshapen: the server has just named this id, and does not know it, or as something else.
    """
    try:
        found = (await client.dataset(dataset_id)).name
    except RemoteMissing:
        found = ""
    if found != name:
        error = Misshapen(
            f'The server gave {dataset_id} as the id of the dataset "{name}", and that is not so.',
            hint="Run it again; if it stays so, look at what stands between syncd and FastGPT.",
        )
        error.endpoint = DATASET.name
        raise error


async def _by_name(client: Client, name: str) -> str | None:
    found = await _named(client, name)
    if len(found) > 1:
        raise ConfigError(
            [f'two datasets are named "{name}": {", ".join(d.id for d in found)}'],
            hint='write the id of the right one into the configuration (dataset = "<id>")',
        )
    if found:
        _may_write(found[0])
        return found[0].id
    return None


async def _make(client: Client, name: str, *, may: bool) -> str:
    if not may:  # two shards would make two of them
        raise NotYet(f'the dataset "{name}" is not there yet; shard 0 makes it', hint="start shard 0 as well")
    try:
        return await client.create_dataset(name)
    except OutcomeUnknown as error:
        for pause in _LOOK_AFTER:
            await asyncio.sleep(pause)
            if found := await _named(client, name):
                return found[0].id
        raise Unavailable(error.message, hint=error.hint) from error


async def _named(client: Client, name: str) -> list[Dataset]:
    return [d for d in await client.datasets(name) if d.name == name and d.type == "dataset"]


def _may_write(dataset: Dataset) -> None:
    if not dataset.can_write:
        raise AccountRefused(
            f'the key may read the dataset "{dataset.name}" but not write to it',
            hint="give the member who made the key write permission on the dataset, or use another member's key",
        )
