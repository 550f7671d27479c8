"""The events of the log: stable names, and what each one says. Pure.

Who reads logs by machine relies on these names; a test keeps the table and the code equal.
"""

from __future__ import annotations

from collections.abc import Mapping

EVENTS: Mapping[str, str] = {
    "service.started": "the process began: version, configuration, ledger",
    "service.ready": "it watches and serves; `listen` is the address of its status server",
    "service.reloading": "what waits for its safe point before a new configuration is in force",
    "service.stopping": "what the end waits for, said again every 5 seconds",
    "service.cut": "the time for draining was over; what was under way is taken up at the next start",
    "service.stopped": "it ended as asked",
    "service.failed": "it ended by an error, with the exit code",
    "service.stuck": "parts that make no progress; systemd's watchdog is not fed while it lasts",
    "config.reloaded": "a new configuration was accepted",
    "config.refused": "a new configuration cannot be used, and why; the old one stays in force",
    "config.warning": "something in the configuration that works but is not wise",
    "request.done": "what a person asked of the service, and the exit code of the answer",
    "job.fired": "a job of the schedule began",
    "job.failed": "it ended by an error; it runs again at its next time",
    "verify.done": "a sample was proven again: documents, questions, how many search did not find",
    "maintenance.done": "rows pruned, the copy that was written, the ledger's check",
    "maintenance.damaged": "the check found the ledger damaged; no copy was made of it",
    "maintenance.put_off": "the ledger was locked, or its disk full: it is not checked before the next time",
    "ledger.waits": "the ledger takes nothing: locked, or its disk is full; everything waits, and nothing is lost",
    "ledger.back": "it can be written again, and what waited is written",
    "backup.failed": "the copy of the ledger could not be written; the older ones are as they were",
    "watch.mode": "how a source is watched, and why so",
    "watch.rebuilt": "a watch was set up anew, and why",
    "watch.overflow": "the kernel lost events; the source is looked at as a whole",
    "source.trouble": "a source cannot be served, the others are",
    "server.trouble": "FastGPT cannot be used; all remote work waits",
    "server.hiccup": "requests fail though FastGPT answers when it is looked at; they are tried again",
    "server.back": "it can be used again",
    "pass.done": "a pass that did something: what, and in how many seconds",
    "pass.failed": "a pass ended by an error and is begun again",
    "round.done": "one round of a pass (-vv)",
    "document.verified": "uploaded, indexed, compared and found by search; `seconds` since its change was noticed",
    "document.moved": "the server knows its new place; nothing was uploaded",
    "document.retired": "its file is gone: hidden, and deleted after `grace` seconds",
    "document.deleted": "a retired version is deleted on the server",
    "document.failed": "one attempt failed; it is tried again",
    "document.quarantined": "given up until content, settings or a person changes that",
    "document.unproven": "left as it is, because nothing shows that search works at all",
    "document.skipped": "nobody reads its format; said once for each file",
    "upload.refused": "the server took this upload as little as any other; counted against no document",
    "outcome.unknown": "a request was sent and its answer lost; its marker is looked for",
    "hold.placed": "the firewall holds deletions of a source",
    "hold.released": "it does not any more",
    "http.wrong_token": "somebody gave the status page a wrong token",
    "notice.sent": "a message went to the webhook",
    "notice.failed": "it could not be delivered",
    "ping.failed": "the dead-man address could not be reached",
    "bug": "a fault in syncd itself, with its traceback",
}
