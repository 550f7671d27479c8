"""How a running pass is shown on stderr: bars on a terminal, plain lines elsewhere, nothing with ``-q``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from syncd.models import DocumentKey
from syncd.progress import Progress
from syncd.report.human import count, lasting, one_line, size
from syncd.together import begin

if TYPE_CHECKING:
    from rich.console import RenderableType

QUIET_FOR = 10.0  # seconds after which plain lines say how far it is
_TROUBLES = frozenset({"failed", "unclear", "quarantined"})

Write = Callable[[str], None]


class Display:
    """Shows nothing; the base of the others."""

    def event(self, event: str, key: DocumentKey, detail: str) -> None:
        """Something happened to a document."""

    def say(self, line: str) -> None:
        """Tell something else."""

    def tick(self) -> None:
        """Called a few times a second."""

    def open(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End; leaves the terminal as it was."""


class Lines(Display):
    """One line for each event, and one at least every ten seconds while something is waited for."""

    def __init__(self, progress: Progress, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._write = write
        self._clock = clock
        self._last = clock()
        self._trouble = ""

    def event(self, event: str, key: DocumentKey, detail: str) -> None:
        self.say(event_line(event, key, detail))

    def say(self, line: str) -> None:
        self._write(line + "\n")
        self._last = self._clock()

    def tick(self) -> None:
        trouble = self._progress.trouble
        if trouble != self._trouble:
            self._trouble = trouble
            self.say(f"server       {one_line(trouble)}; trying on" if trouble else "server       works again")
        elif self._clock() - self._last >= QUIET_FOR:
            self.say(f"...          {standing(self._progress)}")


class Bars(Display):
    """Bars for documents, bytes and proofs; what needs a person's eye scrolls by above them."""

    def __init__(self, progress: Progress, *, colour: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        self._progress = progress
        self._began = time.monotonic()
        self._console = Console(stderr=True, no_color=not colour, highlight=False, emoji=False, markup=False)
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def open(self) -> None:
        self._live.start()

    def close(self) -> None:
        self._live.stop()
        self._console.show_cursor(True)

    def event(self, event: str, key: DocumentKey, detail: str) -> None:
        if event in _TROUBLES:
            self.say(event_line(event, key, detail))

    def say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        p = self._progress
        rows: list[tuple[str, float, float, str]] = []
        if p.documents_total:
            rows.append(("documents", p.documents_done, p.documents_total, f"{p.documents_done}/{p.documents_total}"))
        if p.bytes_total:
            sent = min(p.bytes_sent, p.bytes_total)
            rows.append(("sent", sent, p.bytes_total, f"{size(sent)} of {size(p.bytes_total)}"))
        if p.proofs_total:
            done = min(p.proofs_done, p.proofs_total)
            rows.append(("proofs", done, p.proofs_total, f"{done}/{p.proofs_total}"))
        grid = Table.grid(padding=(0, 1))
        for title, done_, total, figure in rows:
            grid.add_row(title, ProgressBar(total=total, completed=done_, width=32), figure)
        elapsed = lasting(time.monotonic() - self._began)
        training = f", {count(p.in_training, 'document')} in training" if p.in_training else ""
        parts: list[Any] = [Text(f"{p.phase}{training} ({elapsed})"), grid]
        if waits_for := p.waits_for():
            parts.append(Text(one_line(waits_for), style="yellow"))
        if p.trouble:
            parts.append(Text(f"server: {one_line(p.trouble)}; trying on", style="yellow"))
        return Group(*parts)


def event_line(event: str, key: DocumentKey, detail: str) -> str:
    """One event as a line: what, which document, and more."""
    if event == "verified" and detail:
        detail = f"weak proof: {detail}"
    more = f" ({one_line(detail)})" if detail else ""
    return f"{event:<11}  {one_line(key.source)}/{one_line(key.path)}{more}"


def standing(p: Progress) -> str:
    """How far a pass is, in one line."""
    parts = [p.phase]
    if p.documents_total:
        parts.append(f"{p.documents_done} of {count(p.documents_total, 'document')} done")
    if p.bytes_total:
        parts.append(f"{size(min(p.bytes_sent, p.bytes_total))} of {size(p.bytes_total)} sent")
    if p.in_training:
        parts.append(f"{p.in_training} in training")
    if p.proofs_total:
        parts.append(f"{min(p.proofs_done, p.proofs_total)} of {count(p.proofs_total, 'proof')}")
    if waits_for := p.waits_for():
        parts.append(one_line(waits_for))
    if p.trouble:
        parts.append(f"server: {one_line(p.trouble)}")
    return ", ".join(parts)


@asynccontextmanager
async def shown(progress: Progress, display: Display) -> AsyncIterator[Display]:
    """Show a pass while inside; ``progress`` tells the display of each event."""
    before = progress.listener

    def listen(event: str, key: DocumentKey, detail: str) -> None:
        if before is not None:
            before(event, key, detail)
        display.event(event, key, detail)

    async def ticking() -> None:
        while True:
            await asyncio.sleep(0.25)
            display.tick()

    progress.listener = listen
    display.open()
    ticker = begin(ticking())
    try:
        yield display
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        display.close()
        progress.listener = before
