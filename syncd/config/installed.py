"""Where a service that systemd runs keeps its ledger and its key, for whoever asks from outside.

The units tell the service itself by ``STATE_DIRECTORY`` and ``CREDENTIALS_DIRECTORY``. An administrator at a shell has
neither: `syncd status` would look into root's home and say that nothing was ever synchronised, and `syncd sync` would
begin a second ledger there. So a configuration in /etc/syncd stands for what ``systemd/*.service`` make of it.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/etc/syncd")
STATE = Path("/var/lib")
MAIN = "config.toml"  # of syncd.service; NAME.toml is that of syncd@NAME.service


def ledger(config: Path) -> Path | None:
    """The ledger of the service with this configuration; ``None`` when it is not one of the system's."""
    if not _is_the_systems(config):
        return None
    return STATE / ("syncd" if config.name == MAIN else f"syncd-{config.stem}") / "ledger.db"


def key_file(config: Path) -> Path | None:
    """The file that ``LoadCredential=`` names; ``None`` when the configuration is not one of the system's."""
    if not _is_the_systems(config):
        return None
    return FOLDER / ("fastgpt-api-key" if config.name == MAIN else f"{config.stem}.key")


def _is_the_systems(config: Path) -> bool:
    return config.absolute().parent == FOLDER
