"""What can be chosen when an emulator is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

COMPATIBLE = ("4.12", "4.14", "4.16")


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """The settings of one emulator.

    ``data_dir`` keeps all state over restarts; without it everything lives in memory. ``retry_seconds`` is the pause
    after a failed embedding call (three minutes on the real server, fastgpt-api.md 4.2). ``max_upload_bytes``
    replaces the dialect's own limit for files. ``logged_in`` is whether anybody has ever opened the server's web page:
    without, no dataset can be made (retrieval.md R15). ``at_once`` is the fastest mode, for benchmarks: an upload is
    parsed and trained before it is answered, whatever the seconds say; ordered faults still take their time.
    """

    compat: str = "4.14"
    data_dir: Path | None = None
    chaos: str | None = None
    seed: int = 0
    training_seconds: float = 0.3
    chunk_seconds: float = 0.02
    workers: int = 4
    secondary_lag: float = 0.0
    ip_limit: int | None = None
    retry_seconds: float = 180.0
    max_upload_bytes: int | None = None
    logged_in: bool = True
    at_once: bool = False

    def __post_init__(self) -> None:
        if self.compat not in COMPATIBLE:
            raise ValueError(f"compat must be one of {', '.join(COMPATIBLE)}, not {self.compat!r}")
        if self.workers < 1:
            raise ValueError("workers must be at least 1")
