"""Everything that can go wrong, sorted by what it stops.

The tree::

    SyncdError
      UsageError         the command line                                      exit 2
      ConfigError        process: the configuration                            exit 78
      LedgerError        process: the ledger is damaged or too new             exit 65
      BusyError          process: another instance holds the ledger            exit 75
        LedgerWaits      the ledger cannot be read or written just now
          LedgerLocked   another program has locked it
          LedgerDisk     its disk is full, fails or is read-only; at the start a LedgerError
      ServerError        server: pause all remote work; no document is blamed
        Unavailable        refused, reset, 502/503/504, HTML, time-out         exit 69
        RateLimited        429 and its relatives; ``retry_after`` in seconds   exit 75
        AccountRefused     key, permission, balance, quota                     exit 77
        Incompatible       an answer in a shape we do not know                 exit 76
      SourceError        source: hold this source, serve the others
      RemoteMissing      one collection or dataset is not on the server
      OutcomeUnknown     a request was sent, and no answer came that proves that it had no effect
      Stuck              the server is well, but one piece of work comes to nothing again and again
      DocumentError      document
        Transient          attempts + 1, later again; at the limit quarantine
        Permanent          quarantine now

Each message says what happened; ``hint`` says what to do next.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_UNPROVEN = 4
EXIT_DRIFT = 5
EXIT_HELD = 6
EXIT_REGRESSED = 7
EXIT_LEDGER = 65
EXIT_UNAVAILABLE = 69
EXIT_BUSY = 75
EXIT_INCOMPATIBLE = 76
EXIT_REFUSED = 77
EXIT_CONFIG = 78

# When several apply, the gravest wins (design 7).
EXIT_GRAVITY = (
    EXIT_CONFIG,
    EXIT_REFUSED,
    EXIT_INCOMPATIBLE,
    EXIT_UNAVAILABLE,
    EXIT_LEDGER,
    EXIT_BUSY,
    EXIT_HELD,
    EXIT_PARTIAL,
    EXIT_UNPROVEN,
    EXIT_REGRESSED,
    EXIT_DRIFT,
)


def gravest(codes: set[int]) -> int:
    """Return the exit code that outranks the others; 0 for an empty set."""
    for code in EXIT_GRAVITY:
        if code in codes:
            return code
    return max(codes, default=EXIT_OK)


class SyncdError(Exception):
    """The base of every error that syncd raises on purpose.

    Args:
        message: what happened, one sentence.
        hint: what to do next, one sentence; may be empty.
    """

    exit_code = EXIT_BUG
    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SyncdError):
    """The command line asks for something that does not exist."""

    exit_code = EXIT_USAGE
    code = "usage"


class ConfigError(SyncdError):
    """The configuration is wrong.

    Args:
        problems: every problem found, each already of the form ``file:line: text``.
    """

    exit_code = EXIT_CONFIG
    code = "config"

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class LedgerError(SyncdError):
    """The ledger cannot be used: damaged, newer than this program, or not writable."""

    exit_code = EXIT_LEDGER
    code = "ledger"


class LedgerDamaged(LedgerError):
    """The content of the ledger is not what syncd wrote.

    Args:
        message: one sentence, with the ledger's name.
        hint: the remedy.
        what: what is wrong, without the ledger's name: table, column, row.
    """

    def __init__(self, message: str, *, hint: str = "", what: str = "") -> None:
        super().__init__(message, hint=hint)
        self.what = what or message


class BusyError(SyncdError):
    """Somebody else is at work here; trying later may succeed."""

    exit_code = EXIT_BUSY
    code = "busy"


class LedgerWaits(BusyError):
    """The ledger cannot be read or written just now; nothing of it is lost, and later it may go."""

    code = "ledger-waits"


class LedgerLocked(LedgerWaits):
    """Another program has locked the ledger."""

    code = "ledger-locked"


class LedgerDisk(LedgerWaits):
    """The disk of the ledger is full, fails, is read-only, or does not let us in."""

    code = "ledger-disk"


class ServerError(SyncdError):
    """The server's trouble; it counts against no document (law 9).

    Attributes:
        endpoint: short name of the route that was asked; "" where it is not known.
    """

    exit_code = EXIT_UNAVAILABLE
    code = "server"
    endpoint = ""


class Unavailable(ServerError):
    """The server cannot be reached or answers with a gateway's error."""

    code = "server-unreachable"


class RateLimited(ServerError):
    """The server asks for a pause of ``retry_after`` seconds (``None``: it did not say)."""

    exit_code = EXIT_BUSY
    code = "rate-limited"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class AccountRefused(ServerError):
    """The key, its rights or the team's balance do not allow this."""

    exit_code = EXIT_REFUSED
    code = "account-refused"


class Incompatible(ServerError):
    """The server answered in a shape that is not FastGPT's, or not one we know."""

    exit_code = EXIT_INCOMPATIBLE
    code = "server-not-understood"


class SourceError(SyncdError):
    """One source cannot be served now; the others go on."""

    exit_code = EXIT_HELD
    code = "source"


class RemoteMissing(SyncdError):
    """The server says that this collection or dataset does not exist; where nobody goes on without it, that is held."""

    exit_code = EXIT_HELD
    code = "remote-missing"


class OutcomeUnknown(SyncdError):
    """A request left us and nothing proves that it had no effect (law 3).

    Attributes:
        cause: what the answer seemed to say, if one came: it counts once a look shows that nothing took effect.
        endpoint: short name of the route that was asked; "" where it is not known.
    """

    exit_code = EXIT_UNAVAILABLE
    code = "outcome-unknown"
    endpoint = ""

    def __init__(self, message: str, *, hint: str = "", cause: SyncdError | None = None) -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


class Stuck(SyncdError):
    """The server is well, but one piece of work comes to nothing again and again."""

    exit_code = EXIT_UNAVAILABLE
    code = "stuck"


class DocumentError(SyncdError):
    """One document failed; ``code`` is one of the pinned document error codes (design 12)."""

    exit_code = EXIT_PARTIAL

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Transient(DocumentError):
    """May pass by itself: counted, tried again, quarantined at the limit."""


class Permanent(DocumentError):
    """Will not pass until the content, the settings or a person changes something."""
