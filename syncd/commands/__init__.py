"""The commands of the command line: they parse, call and print; nothing is decided here.

A module is imported when its command runs, so that `syncd --help` costs no more than this table.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command: its section of the help, the module below ``syncd.commands``, and one line of help."""

    section: str
    module: str
    help: str


START, WORK, LOOK, DECIDE, SERVE, HELP = (
    "Getting started",
    "Synchronise",
    "Look",
    "Decide",
    "Operate",
    "Help",
)

TABLE: dict[str, Entry] = {
    "init": Entry(START, "init", "Write a first configuration."),
    "demo": Entry(START, "demo", "Show the whole product on a temporary folder; needs nothing."),
    "emulator": Entry(START, "emulator", "Run a local FastGPT for trying and testing."),
    "check": Entry(START, "check", "Check the configuration, offline."),
    "doctor": Entry(START, "doctor", "Check server, key, datasets, folders and ledger."),
    "plan": Entry(WORK, "plan", "Show what would be done and why; nothing is changed."),
    "apply": Entry(WORK, "later", "Carry out a saved plan. (not yet)"),
    "sync": Entry(WORK, "sync", "One pass: mirror the folders, prove the documents, exit."),
    "run": Entry(WORK, "service", "Watch the folders and synchronise all the time."),
    "status": Entry(LOOK, "status", "Show sources, counts and holds."),
    "ls": Entry(LOOK, "ls", "List documents and their states."),
    "history": Entry(LOOK, "history", "Show what happened to one document, with its proofs."),
    "search": Entry(LOOK, "search", "Run one search test, shown with paths."),
    "verify": Entry(LOOK, "verify", "Prove documents and golden questions again."),
    "retry": Entry(DECIDE, "decisions", "Have quarantined or failing documents tried again."),
    "release": Entry(DECIDE, "decisions", "Let held deletions go."),
    "rollback": Entry(DECIDE, "decisions", "Go back to the version before."),
    "pause": Entry(DECIDE, "service", "Pause the service."),
    "resume": Entry(DECIDE, "service", "Let the service go on."),
    "reload": Entry(DECIDE, "service", "Have the service read its configuration again."),
    "audit": Entry(SERVE, "later", "Compare server and ledger; the service does it, the command: not yet."),
    "adopt": Entry(SERVE, "adopt", "Rebuild a lost ledger from the server's markers."),
    "backup": Entry(SERVE, "backup", "Write a copy of the ledger."),
    "scaffold": Entry(SERVE, "scaffold", "Print files for Docker, Kubernetes, systemd, CI and monitoring."),
    "healthcheck": Entry(SERVE, "healthcheck", "Ask the service whether it is well."),
    "explain": Entry(HELP, "explain", "Explain exit codes, error codes, log events and metrics."),
    "completion": Entry(HELP, "completion", "Print the completion script of a shell."),
}

LATER = tuple(name for name, entry in TABLE.items() if entry.module == "later")
