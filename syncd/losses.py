"""What the log could not take is said in the log, as soon as it takes anything again."""

from __future__ import annotations

from syncd import outlet
from syncd.logs import get_logger

log = get_logger(__name__)


def tell(stream: object) -> None:
    """Called after each line that a log's stream was given."""
    loss = outlet.take_loss(stream) if outlet.works(stream) else None
    if loss is not None:
        log.warning("log.lost", lines=loss.lines, reason=loss.reason)
