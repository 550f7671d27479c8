"""Libraries are imported without what they import for decoration alone."""

from __future__ import annotations

import subprocess
import sys

from cli_site import clean_environment

SCRIPT = """
import logging, sys
from syncd import logs
logs.configure(logging.INFO)
import syncd.daemon, syncd.web.app
assert "httpx" in sys.modules and "structlog" in sys.modules
assert not {"rich", "pygments"} & set(sys.modules)
import rich.table  # it can still be imported by whoever needs it
"""


def test_a_service_does_not_load_rich() -> None:
    """Neither structlog nor httpx brings it along, and it is not lost for those who draw tables."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT], env=clean_environment(), capture_output=True, timeout=60)
    assert (0, b"") == (ended.returncode, ended.stderr)
