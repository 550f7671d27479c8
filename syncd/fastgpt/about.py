"""What is asked of a server beside its datasets: is it there, which version is it, what does an app answer."""

from __future__ import annotations

import time
from functools import partial
from typing import Literal

from syncd import errors

from . import endpoints as to
from . import wire
from .detect import recognise
from .models import Dialect, Health
from .session import Session, nothing, query
from .transport import Answer


class About(Session):
    """Reachability, version hints, and chat for answer checks."""

    async def health(self) -> Health:
        """Ask for something cheap; says nothing of the key.

        Raises:
            ServerError: the server cannot be reached, or is no FastGPT.
        """
        started = time.perf_counter()
        version = await self._call(to.INIT_DATA, None, wire.version)
        return Health(time.perf_counter() - started, version)

    async def detect(self) -> Dialect:
        """Guess the family of versions; never fails, "unknown" is an answer (fastgpt-api.md 7.1)."""
        answers: list[Answer | None] = []
        for endpoint, body, asked in (
            (to.INIT_DATA, None, ""),
            (to.LIST, {}, ""),
            (to.DETAIL, None, query("id", "syncd-asks")),
            (to.OPEN_API, None, ""),
        ):
            try:
                answers.append(await self._ask(endpoint, body, query=asked))
            except errors.SyncdError:
                answers.append(None)
        dialect = recognise(*answers)
        self._own_queue = self._own_queue or "exact-training-counts" in dialect.quirks
        return dialect

    async def key_kind(self) -> Literal["global", "app", "unknown"]:
        """Tell a global key from an app-specific one; no dataset call can (observed fact 3).

        A chat request without a question runs nothing: the key is looked at first, and a global key without ``appId``
        is refused with a text of its own; with an app key the missing question is what the server complains about.
        """
        answer = await self._ask(to.CHAT, {"stream": False, "messages": []})
        try:
            self._data(to.CHAT, answer, nothing)
        except errors.SyncdError as error:
            if "app key" in error.message.lower():
                return "global"
            if "messages is empty" in error.message.lower():
                return "app"
        return "unknown"

    async def may_create(self) -> None:
        """Find out whether the server makes datasets at all, without making one: the request names none.

        Raises:
            AccountRefused: it does not, and why.
        """
        answer = await self._ask(to.CREATE_DATASET, {})
        try:
            self._data(to.CREATE_DATASET, answer, nothing)
        except errors.AccountRefused:
            raise
        except errors.SyncdError:
            return  # a name is missing, as it must be

    async def chat(self, app_id: str | None, text: str, custom_uid: str, key: str | None = None) -> str:
        """One question to an app, without a stored history; for answer checks.

        Args:
            app_id: needed with a global key (4.8.13 on); None with an app's own key.
            custom_uid: the user that FastGPT's log will show.
            key: an app key to use instead of the global one.
        """
        body = {
            "stream": False,
            "detail": False,
            "messages": [{"role": "user", "content": text}],
            "customUid": custom_uid,
        }
        if app_id is not None:
            body["appId"] = app_id
        answer = await self._ask(to.CHAT, body, key=key)
        return self._data(to.CHAT, answer, partial(wire.answer, "chat"), key)
