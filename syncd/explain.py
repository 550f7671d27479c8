"""What every code of syncd means and what to do about it: exit codes, errors of documents, holds, errors of a run.

`syncd explain` prints these texts and the reports take their remedies from here; a test keeps them complete.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncd.models import Hold, HoldReason, Problem


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code."""

    code: str
    title: str
    meaning: str
    remedy: str


def _table(*rows: tuple[str, str, str, str]) -> dict[str, Explanation]:
    return {row[0]: Explanation(*row) for row in rows}


EXIT_CODES = _table(
    ("0", "done", "Everything that was asked for is done.", "Nothing."),
    (
        "1",
        "a bug",
        "syncd met something that it does not know how to handle.",
        "Run it again with -v and report what it prints. The ledger is safe; the next run goes on from there.",
    ),
    ("2", "usage", "The command line asks for something that does not exist.", "See `syncd COMMAND --help`."),
    (
        "3",
        "some documents failed",
        "At the end of the run some documents of the chosen sources are quarantined or still failing; "
        "all others are served. Versions that were verified before stay visible.",
        "`syncd ls --state quarantined` names them with the reason; `syncd explain REASON` says what helps.",
    ),
    (
        "4",
        "uploaded but not proven",
        "Something was uploaded but could not be proven: the time was up, the server's search was not to be trusted, "
        "or questions of `verify` were not answered.",
        "Run `syncd sync` again; `syncd history PATH` shows the search tests.",
    ),
    (
        "5",
        "changes pending",
        "`plan --exit-code` found work to do, or server and ledger differ.",
        "`syncd sync` carries it out.",
    ),
    (
        "6",
        "held by the firewall",
        "Deletions are held until a person has looked at them, or a source could not be served; the rest was done.",
        "`syncd status` shows holds and remedies, and sources that cannot be served; `syncd release SOURCE` lets "
        "deletions go that were shown.",
    ),
    (
        "7",
        "golden questions got worse",
        "Questions that were answered in the baseline are answered worse now.",
        "Compare with the baseline; write it anew when the change is meant.",
    ),
    (
        "65",
        "the ledger cannot be used",
        "The ledger is damaged, was written by a newer syncd, or cannot be written.",
        "Restore a backup, or move the file away: the next `syncd sync` rebuilds it from the server without uploads.",
    ),
    (
        "69",
        "server unreachable",
        "The server did not answer, or only a gateway in front of it did, for longer than --timeout.",
        "Check [fastgpt] base_url and the server, then run again; nothing was counted against any document.",
    ),
    (
        "75",
        "busy, try later",
        "Another syncd uses the ledger, the server asked for a pause, or a file was still being written.",
        "Run it again later. If no other syncd should be running, look for it: the message names its process.",
    ),
    (
        "76",
        "server not understood",
        "Something answered that is not FastGPT's API, or a version of it that syncd does not know.",
        "Check [fastgpt] base_url: it should end in /api. `syncd doctor` tries the usual mistakes.",
    ),
    (
        "77",
        "key or permission refused",
        "The server refused the key, its rights, or the team's balance or quota.",
        "Use FastGPT's global key (Account -> API keys, not the key of one app) with write access to the dataset.",
    ),
    (
        "78",
        "configuration",
        "The configuration is missing or wrong; nothing was done.",
        "`syncd check` names every problem with file and line; `syncd init` writes a first configuration.",
    ),
    ("130", "interrupted", "Ctrl-C (SIGINT): syncd stopped at the next safe point.", "Run it again; it goes on."),
    ("143", "terminated", "SIGTERM: syncd stopped at the next safe point.", "Run it again; it goes on."),
)

_RETRY = "then `syncd retry PATH`"

DOCUMENT_CODES = _table(
    (
        Problem.ENCODING_LOST,
        "text garbled on the server",
        "Letters outside ASCII arrived damaged: what the server holds is not what the file says. It was never shown.",
        "`syncd retry PATH` sends it again. syncd sends UTF-8, so if it stays, the server or a proxy before it changes "
        "text: `syncd doctor` tries it.",
    ),
    (
        Problem.CONTENT_DIFFERS,
        "content differs",
        "The server holds another text than the file: parts are missing or changed. It was never shown.",
        "`syncd retry PATH` sends it again; if it stays, the server's parser loses text: try another format.",
    ),
    (
        Problem.PARSE_FAILED,
        "the server could not read it",
        "FastGPT could not read the file: it is damaged, encrypted, or not what its name says.",
        "Open the file and save it anew, without a password; a changed file is tried by itself.",
    ),
    (
        Problem.TRAINING_FAILED,
        "training failed",
        "FastGPT gave up indexing; the message holds its reason, usually the embedding model or the balance.",
        "Mend the reason on the server, " + _RETRY + ".",
    ),
    (
        Problem.TRAINING_TIMEOUT,
        "training stands still",
        "The document made no progress for [fastgpt] training_timeout while others did.",
        "Look at the server's training queue, " + _RETRY + ".",
    ),
    (
        Problem.SEARCH_MISSING,
        "search does not find it",
        "Indexed, but search tests for its own passages do not return it, while they find other documents. "
        "The version before serves on.",
        "`syncd history PATH` shows the searches and what they found instead; `syncd retry PATH` tries again.",
    ),
    (
        Problem.TOO_LARGE,
        "too large",
        "The file is larger than max_size of its source, or than the server accepts.",
        "Split the file, or raise `max_size` and the server's own limit.",
    ),
    (
        Problem.UNSUPPORTED,
        "format not supported",
        "FastGPT cannot read files of this kind.",
        "Convert it (txt md html csv docx pdf pptx xlsx), or leave it out with `exclude`.",
    ),
    (
        Problem.EMPTY,
        "empty",
        "There is no text in the file, or none that can be taken out of it: pages that are pictures (a scan), a PDF "
        "whose fonts have no character map. So nothing could ever be found.",
        "Write something into it, have a scan's text recognised, export the PDF anew, or leave it out with `exclude`. "
        "A changed file is tried by itself.",
    ),
    (
        Problem.UNREADABLE,
        "cannot be read",
        "The file could not be opened, is not what its name says, or it cannot be told which encoding its text is in; "
        "the message says which.",
        "Do what the message says; a changed file is tried by itself, " + _RETRY + " after anything else.",
    ),
    (
        Problem.NAME_COLLISION,
        "name taken",
        "Another file has the same name once both are written in Unicode NFC, or the name is not UTF-8.",
        "Rename one of the two.",
    ),
    (
        Problem.ROLLED_BACK,
        "rolled back",
        "A person went back to the version before; this content stays out.",
        "Change the file, or `syncd retry PATH` to publish this content after all.",
    ),
    (
        Problem.SUPERSEDED,
        "superseded",
        "Newer content replaced it before it was shown.",
        "Nothing; the newer content is under way.",
    ),
    (
        Problem.UPLOAD_FAILED,
        "upload failed",
        "What was asked of the server for this document came to nothing eight times while it answered for others, or it"
        " refused it for good; the message holds its reason.",
        "Look at the proxy between here and the server: its limits of size and time, and the words it forbids; then"
        " `syncd retry PATH`.",
    ),
    (
        Problem.INTERNAL,
        "a fault in syncd",
        "syncd itself failed on this document; it is kept out of the way of the others.",
        "Run `syncd sync -v` and report the traceback, " + _RETRY + " with a version that mends it.",
    ),
)

HOLD_REASONS = _table(
    (
        HoldReason.LIMIT,
        "too many deletions",
        "More files vanished than [source.delete] max_count or max_percent let go within its window.",
        "Look at them; `syncd release SOURCE` lets exactly these go, files that come back need nothing.",
    ),
    (
        HoldReason.SCOPE,
        "the scope was changed",
        "Files fell out of the source because its path, include or exclude were changed.",
        "If that is meant: `syncd release SOURCE`; if not, change the configuration back.",
    ),
    (
        HoldReason.MISSING,
        "the folder is missing",
        "The source's folder is not there; perhaps a share is not mounted. Nothing is deleted.",
        "Bring the folder back, or correct `path`; no release is needed, or possible, before.",
    ),
    (
        HoldReason.EMPTY,
        "the folder is empty",
        "No document is left in the folder although some were verified. Nothing is deleted.",
        "Bring the files back; if it was emptied on purpose: `syncd release SOURCE --emptied`.",
    ),
    (
        HoldReason.DEVICE,
        "another file system",
        "Another file system is mounted there and most of the known files are missing.",
        "Mount the right one; no release is possible before.",
    ),
    (
        HoldReason.UNREADABLE,
        "cannot be read completely",
        "The folder, or one below it, cannot be read, so nobody knows which files are gone.",
        "Give syncd's user the right to read all of it, or mend the .syncdignore that is named; no release is needed.",
    ),
)

RUN_CODES = _table(
    ("usage", "command line", "The command line is wrong.", "See exit code 2."),
    ("config", "configuration", "The configuration is missing or wrong.", "See exit code 78."),
    ("ledger", "ledger", "The ledger cannot be used.", "See exit code 65."),
    ("busy", "busy", "Another instance holds the ledger.", "See exit code 75."),
    ("ledger-waits", "ledger", "The ledger cannot be used just now.", "See exit code 75."),
    ("ledger-locked", "ledger locked", "Another program has locked the ledger.", "End it, or run it again later."),
    ("ledger-disk", "ledger's disk", "Its disk is full, fails or is read-only.", "Mend the disk; nothing is lost."),
    ("server", "server", "The server is in trouble.", "See exit code 69."),
    ("server-unreachable", "unreachable", "The server cannot be reached.", "See exit code 69."),
    ("rate-limited", "rate limited", "The server asks for a pause.", "See exit code 75."),
    ("account-refused", "refused", "Key, permission, balance or quota.", "See exit code 77."),
    ("server-not-understood", "not understood", "Not FastGPT's API, or an unknown one.", "See exit code 76."),
    ("source", "one source", "One source cannot be served; the others are.", "See exit code 6."),
    ("remote-missing", "gone on the server", "A collection or dataset is gone.", "Run `syncd sync`: it looks again."),
    ("outcome-unknown", "no answer", "A request was sent and never answered.", "Run `syncd sync`: it looks first."),
    ("not-possible", "not possible now", "The decision makes no sense as things are.", "The message says why."),
    ("changed", "changed meanwhile", "The file changed while it was worked on.", "Run `syncd sync` again."),
    ("changed-while-reading", "changed meanwhile", "The file changed while it was read.", "Run `syncd sync` again."),
    ("stale", "changed meanwhile", "The document moved on in the ledger meanwhile.", "Run `syncd sync` again."),
    ("stopped", "stopped", "Somebody asked to stop.", "Run `syncd sync`: it goes on."),
    ("unproven", "not proven", "Search could not be trusted to prove it.", "See exit code 4."),
    ("untrained", "not trained", "Nothing of the dataset is trained any more.", "Mend FastGPT's model or queue."),
    ("stuck", "comes to nothing", "The server is well, but one piece of work keeps failing.", "See its reason."),
    ("refused", "not deleted", "The server does not show what a deletion must see.", "Run `syncd sync` again."),
    ("demo-failed", "demo failed", "A step of `syncd demo` did not do what it says.", "Please report it."),
    ("bug", "a bug", "syncd met what it does not know.", "See exit code 1."),
    ("error", "error", "Something failed; the message says what.", "The hint of the message says what to do."),
)

WORDS = _table(
    ("found", "verdict", "The document is among the hits of a search test for one of its own passages.", "Nothing."),
    ("shared", "verdict", "The hit with exactly this text is an identical document's.", "Nothing; see duplicate."),
    ("duplicate", "remark", "Search merges equal text, so another document with the same text answers for this one.",
     "Keep one of the two, if that was not meant."),
    ("outranked", "verdict", "Not among the hits as people search, but full-text search finds it.",
     "Nothing; `syncd history PATH` shows who comes first."),
    ("missing", "verdict", "Asked again for 30 seconds and in every mode, and never found.",
     "`syncd history PATH` shows what was found instead."),
    ("passage", "finding", "One of its passages is not found, while another one is: it is proven all the same.",
     "`syncd history PATH` shows which, and what was found instead."),
    ("weak", "proof", "The proof rests on less than the whole text; it says why.",
     "Nothing, unless the reason can be mended."),
    ("orphan", "finding", "A collection of this deployment on the server whose file is not here.",
     "Bring the file back, or `syncd adopt --take`."),
    ("skipped", "remark", "A file of a format that nobody reads, no document.", "`syncd ls --skipped` names them."),
    ("waiting", "state", "There is work left for it that cannot be done now; the reason stands beside it.", "Wait."),
    ("uploading", "state", "It is being sent, or it is looked for whether it arrived.", "Wait."),
    ("indexing", "state", "FastGPT trains it, hidden.", "Wait."),
    ("proving", "state", "It is shown, and searched for.", "Wait."),
    ("verified", "state", "On the server, compared with the file, and found by search.", "Nothing."),
    ("quarantined", "state", "Given up until content, settings or a person change that; the version before serves on.",
     "`syncd explain` with its code."),
    ("held", "state", "Its file is gone; the firewall keeps the document.", "`syncd status` shows hold and remedy."),
    ("retired", "state", "Hidden from search; deleted after the grace time.",
     "Bring the file back, or `syncd rollback PATH`, to have it again."),
    ("deleted", "state", "Gone from the server; one row remembers it.", "Nothing."),
)  # fmt: skip

TABLES = {
    "Exit codes": EXIT_CODES,
    "Errors of documents": DOCUMENT_CODES,
    "Reasons of holds": HOLD_REASONS,
    "Errors of a run": RUN_CODES,
    "Words of reports": WORDS,
}


def remedy_for(problem: str, path: str) -> str:
    """What to do about a document's error, with its own path filled in."""
    known = DOCUMENT_CODES.get(problem)
    return known.remedy.replace("PATH", _quoted(path)) if known else f"`syncd retry {_quoted(path)}`"


def remedy_for_hold(hold: Hold) -> str:
    """What to do about a hold, with its source filled in."""
    named = f"{hold.source} --hold {hold.id}" if hold.id else hold.source
    return HOLD_REASONS[hold.reason].remedy.replace("release SOURCE", f"release {named}").replace("SOURCE", hold.source)


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
