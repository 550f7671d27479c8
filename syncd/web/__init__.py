"""Health, metrics and the status page."""

from syncd.web.metrics import Metrics
from syncd.web.server import Server

__all__ = ["Metrics", "Server"]
