"""What a configuration is, once it has been read: frozen values without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

from syncd.models import DeletePolicy, Training
from syncd.shards import Shard


class Secret:
    """A text that shows itself only when asked by ``reveal()``; any printing of it gives ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not written anywhere")


NO_SECRET = Secret("")


@dataclass(frozen=True, slots=True)
class FastGPT:
    """The server and how to treat it (``[fastgpt]``); times in seconds."""

    base_url: str  # ends in /api, no slash at the end
    api_key: Secret
    api_key_origin: str  # where the key came from, in words; never the key
    timeout: float = 30.0
    upload_timeout: float = 600.0
    uploads: int = 32  # at most; how many is learnt from the server
    search_tests_per_second: float = 1000.0  # at most; how many is learnt as well
    training_timeout: float = 7200.0
    ca_file: Path | None = None
    max_attempts: int = 5
    api_key_file: Path | None = None  # where the key was read; it is read again when the server refuses it


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """The ledger (``[ledger]``)."""

    path: Path
    space: str = ""  # id of the deployment; "" when the configuration does not say
    backups: int = 3  # copies that maintenance keeps beside the ledger
    history: float = 90 * 86400.0  # seconds after which events and superseded proofs are forgotten


@dataclass(frozen=True, slots=True)
class Schedule:
    """When jobs run (``[schedule]``): each a duration ("15m") or a cron expression of five fields."""

    timezone: str = "UTC"
    scan: str = "15m"
    audit: str = "0 3 * * *"
    verify: str = "0 4 * * 0"
    verify_sample: str = "1/7"
    maintenance: str = "30 2 * * *"
    jitter: float = 10.0  # seconds by which each run may start later


@dataclass(frozen=True, slots=True)
class Service:
    """How the service behaves (``[service]``)."""

    drain: float = 45.0  # seconds that work under way may take to reach a safe point after SIGTERM


@dataclass(frozen=True, slots=True)
class Http:
    """The local status server (``[http]``); ``listen`` and ``health_listen`` are "host:port", "" for none."""

    listen: str = "127.0.0.1:8321"
    health_listen: str = ""  # health alone, beside or without the page
    token: Secret = NO_SECRET  # without one nothing can be changed over HTTP
    allowed_hosts: tuple[str, ...] = ()  # names it may be asked by, beside loopback and ``listen``


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told when a person is needed (``[notify]``); the addresses are secrets, they often carry a token."""

    webhook_url: Secret = NO_SECRET
    webhook_format: str = "json"  # json, slack or feishu
    webhook_secret: Secret = NO_SECRET  # signs the messages
    ping_url: Secret = NO_SECRET
    ping_every: float = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class VerifyPolicy:
    """How a document is proven (``[source.verify]``)."""

    probes: int = 2
    search_mode: str = "mixedRecall"


@dataclass(frozen=True, slots=True)
class Source:
    """One folder and the dataset it feeds (``[[source]]``); ``settle`` in seconds, ``max_size`` in bytes."""

    name: str
    path: Path  # absolute; need not exist
    dataset: str  # a name or an id
    folder: str = ""  # inside the dataset, POSIX, without slashes at the ends; "" is its root
    include: tuple[str, ...] = ()  # () is every format that can be read
    exclude: tuple[str, ...] = ()
    watch: str = "auto"
    settle: float = 2.0
    tags: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ("utf-8", "gb18030")  # tried in order for text without a byte order mark
    max_size: int = 500_000_000
    poll: float = 30.0  # seconds between two looks where folders cannot be watched by events
    training: Training = field(default_factory=Training)
    verify: VerifyPolicy = field(default_factory=VerifyPolicy)
    delete: DeletePolicy = field(default_factory=DeletePolicy)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, checked."""

    path: Path
    fastgpt: FastGPT
    ledger: LedgerConfig
    schedule: Schedule
    http: Http
    sources: tuple[Source, ...]
    warnings: tuple[str, ...] = ()
    service: Service = field(default_factory=Service)
    notify: Notify = field(default_factory=Notify)
    shard: Shard | None = None  # the part of all documents that this instance serves; None: all of them

    def secrets(self) -> list[str]:
        """Every text that must not be written anywhere."""
        notify = self.notify
        known = (self.fastgpt.api_key, self.http.token, notify.webhook_url, notify.webhook_secret, notify.ping_url)
        return [secret.reveal() for secret in known if secret]
