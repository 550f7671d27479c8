"""`syncd` whose event loop stands still from the moment that a file appears; everything else in the process goes on.

For the watchdog's test: a frozen process is easy to notice, one that merely does not get on is not.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

sys.path.insert(0, "/opt/syncd/lib")
TRIGGER = Path("/etc/syncd/stuck")
_run = asyncio.run


def _watch(loop: asyncio.AbstractEventLoop) -> None:
    while not TRIGGER.exists():
        time.sleep(0.1)
    loop.call_soon_threadsafe(time.sleep, 3600)
    while True:
        sys.stderr.write("the process is alive, its loop is not\n")
        time.sleep(1)


def _run_and_get_stuck(work: Coroutine[Any, Any, Any], **how: Any) -> Any:
    async def watched() -> Any:
        threading.Thread(target=_watch, args=(asyncio.get_running_loop(),), daemon=True).start()
        return await work

    return _run(watched(), **how)


if __name__ == "__main__":
    from syncd.cli import main

    asyncio.run = _run_and_get_stuck  # type: ignore[assignment]
    main()
