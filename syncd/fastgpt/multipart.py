"""The body of an upload: one ``data`` field, then one file (fastgpt-api.md 2.2.3).

Small bodies become one ``bytes``; larger ones are blocks of 1 MiB, read in a thread and never held together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor, Future

from syncd import errors
from syncd.models import DatasetId, Marker, Problem, Training

Blocks = Callable[[], Iterator[bytes]]

WHOLE = 8 << 20  # bytes; up to here a body is put together, above it is streamed
BLOCK = 1 << 20

# Printable ASCII without what ends the name, and no '%' but before two hex digits: a lone one makes the server
# hang without an answer (observed fact 2).
_SAFE_NAME = re.compile(r"(?:[!#$&-\[\]-~ ]|%[0-9A-Fa-f]{2})+")

# These are ignored unless the mode says that they are meant (observed fact 15).
_CUSTOM = frozenset({"chunkSize", "chunkSplitter", "chunkSplitMode", "indexSize", "paragraphChunkDeep"})


def marker_fields(marker: Marker) -> dict[str, str | int]:
    """The marker as it is kept in a collection's metadata (design 12, rule 23)."""
    return {
        "v": marker.v,
        "space": marker.space,
        "ledger": marker.ledger,
        "document": marker.document,
        "revision": marker.revision,
        "attempt": marker.attempt,
        "source": marker.source,
        "path": marker.path,
        "sha256": marker.sha256,
        "settings": marker.settings,
        **({"sent_as": marker.sent_as} if marker.sent_as != 1 else {}),
    }


class Envelope:
    """What stands around the file in one upload: ``head``, the file's ``size`` bytes, ``tail``.

    Raises:
        ValueError: the file name was not percent-encoded.
    """

    def __init__(
        self,
        *,
        dataset_id: DatasetId,
        parent_id: str | None,
        filename: str,
        content_type: str,
        marker: Marker,
        training: Training,
        tags: tuple[str, ...],
    ) -> None:
        if not _SAFE_NAME.fullmatch(filename):
            raise ValueError(f"not a percent-encoded file name: {filename!r}")
        own = {"syncd": marker_fields(marker)}
        options = dict(training.implied) | dict(training.options)
        if not _CUSTOM.isdisjoint(options):
            options.setdefault("chunkSettingMode", "custom")
        data = {
            **options,
            "datasetId": dataset_id,
            "parentId": parent_id,
            "trainingType": training.mode,
            "tags": list(tags),
            # Up to 4.14.10 the server keeps the second, from 4.14.11 on the first (observed fact 7).
            "metadata": own,
            "collectionMetadata": own,
        }
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}".encode()
        self.head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="data"\r\n\r\n{json.dumps(data)}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        ).encode("ascii")
        self.tail = f"\r\n--{boundary}--\r\n".encode()

    def whole(self, body: bytes) -> bytes:
        """The complete body in one piece."""
        return b"".join((self.head, body, self.tail))

    async def blocks(
        self, body: Callable[[], Iterator[bytes]], size: int, executor: Executor
    ) -> AsyncGenerator[bytes, None]:
        """The complete body in pieces; the file's are read in ``executor``, one after the other.

        The tail goes out only when exactly ``size`` bytes were read and the reader has ended well, so a server never
        takes a file whose reader failed, or that changed while it was sent (design 12, rule 10), for complete.

        Raises:
            Transient: the file could not be read or has another size now. The reader's own errors pass.
        """
        yield self.head
        async with contextlib.aclosing(read(body, size, executor)) as blocks:
            async for block in blocks:
                yield block
        yield self.tail


async def read(body: Blocks, size: int, executor: Executor) -> AsyncGenerator[bytes, None]:
    """The blocks of one file, each read in ``executor``; ``Transient`` when they are not ``size`` bytes in all."""
    source = body()
    step: Future[bytes | None] | None = None
    left = size
    try:
        while True:
            step = executor.submit(next, source, None)
            block = await asyncio.wrap_future(step)
            if block is None:
                break
            left -= len(block)
            if left < 0:
                break
            if block:
                yield block
    except OSError as error:
        raise errors.Transient(
            Problem.UNREADABLE, f"The file could not be read while it was sent: {error.strerror or error}."
        ) from error
    finally:
        if step is not None:  # a generator that is still running in its thread cannot be closed yet
            step.add_done_callback(lambda _: getattr(source, "close", lambda: None)())
    if left != 0:
        came = "more" if left < 0 else "less"
        raise errors.Transient(
            Problem.UPLOAD_FAILED,
            f"The file's size changed while it was sent: {came} than {size} bytes came.",
            hint="It is sent again when it is at rest.",
        )
