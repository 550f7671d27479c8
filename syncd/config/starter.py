"""The text that ``syncd init`` writes."""

from __future__ import annotations

STARTER = """\
# Configuration of syncd. `syncd check` reads it offline, `syncd doctor` asks the server,
# `syncd plan` shows what would be done, `syncd sync` does it. Paths are relative to this file.
version = 1

[fastgpt]
base_url = "http://localhost:3000/api"
# A file with FastGPT's global key (Account -> API keys), alone on one line.
api_key_file = "fastgpt-api-key"

[ledger]
# Names this deployment on the server; keep it when the ledger is lost or moves.
space = ""

[[source]]
name = "docs"
path = "docs"
dataset = "Docs"          # a name (created when missing) or an id
# include = ["**/*.md"]   # default: every format that can be read
# exclude = ["drafts/"]   # gitignore syntax

[source.delete]
max_count = 50            # more files vanished than this, or than max_percent: held until `syncd release`
max_percent = "20%"
grace = "24h"             # hidden for this long before it is deleted
"""


def starter(space: str) -> str:
    """Return ``STARTER`` with ``space``, the id of a new deployment, filled in."""
    return STARTER.replace('space = ""', f'space = "{space}"')
