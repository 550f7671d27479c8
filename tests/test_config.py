"""The configuration: what it means, and every mistake with its line."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import shutil
import tomllib
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import syncd.config
from syncd.config import (
    STARTER,
    Config,
    FastGPT,
    Http,
    LedgerConfig,
    Notify,
    Schedule,
    Secret,
    Service,
    Source,
    VerifyPolicy,
    starter,
)
from syncd.config.lines import Lines
from syncd.config.schema import SOURCE, SUBTABLES, TABLES, TRAINING, camel
from syncd.errors import EXIT_CONFIG, ConfigError
from syncd.models import DeletePolicy, Training
from syncd.shards import Shard

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
CERTIFICATES = Path(__file__).parent / "fixtures" / "ca.pem"
SECRETS = ("token", "webhook_url", "webhook_secret", "ping_url")
KEY = "fastgpt-canary0123456789abcdef"
ENV = {"HOME": "/home/me"}
MINIMAL = """\
version = 1
[fastgpt]
base_url = "http://localhost:3000"
api_key_file = "key"
[[source]]
name = "handbook"
path = "docs"
dataset = "Handbook"
"""


def _hidden(file: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    file.touch(0o600)
    file.write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a key file and an empty ``docs``."""
    _hidden(tmp_path / "key", KEY + "\n")
    (tmp_path / "docs").mkdir()
    return tmp_path


def _load(folder: Path, text: str, env: Mapping[str, str] = ENV) -> Config:
    path = folder / "config.toml"
    _hidden(path, text)
    return syncd.config.load(path, env=env)


def _problems(folder: Path, text: str, env: Mapping[str, str] = ENV) -> list[str]:
    """The problems of a text, with the folder cut off."""
    with pytest.raises(ConfigError) as caught:
        _load(folder, text, env)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    return [problem.replace(f"{folder}/", "").replace(str(folder), ".") for problem in caught.value.problems]


def _source(lines: str = "", rest: str = "") -> str:
    """The minimal text with more lines in its source (line 9 on)."""
    return MINIMAL + lines + "\n" + rest


# ---------------------------------------------------------------- what a configuration means


def test_a_minimal_configuration_has_every_default(folder: Path) -> None:
    """Three tables' worth of facts are enough; everything else has the default of the design."""
    assert _load(folder, MINIMAL) == Config(
        path=folder / "config.toml",
        fastgpt=FastGPT(
            base_url="http://localhost:3000/api",
            api_key=Secret(KEY),
            api_key_origin=f"api_key_file {folder}/key",
            timeout=30.0,
            upload_timeout=600.0,
            uploads=32,
            search_tests_per_second=1000.0,
            training_timeout=7200.0,
            ca_file=None,
            max_attempts=5,
            api_key_file=folder / "key",
        ),
        ledger=LedgerConfig(path=Path("/home/me/.local/state/syncd/ledger.db"), space=""),
        schedule=Schedule(timezone="UTC", scan="15m", audit="0 3 * * *", verify="0 4 * * 0", verify_sample="1/7"),
        http=Http(listen="127.0.0.1:8321"),
        sources=(
            Source(
                name="handbook",
                path=folder / "docs",
                dataset="Handbook",
                folder="",
                include=(),
                exclude=(),
                watch="auto",
                settle=2.0,
                tags=(),
                encodings=("utf-8", "gb18030"),
                max_size=500_000_000,
                training=Training("chunk", ()),
                verify=VerifyPolicy(probes=2, search_mode="mixedRecall"),
                delete=DeletePolicy(max_count=50, max_percent=20.0, grace=86400.0),
            ),
        ),
        warnings=(),
    )


def test_every_key_is_read(folder: Path) -> None:
    """Each key of the design reaches its field, in the unit of the field."""
    shutil.copy(CERTIFICATES, folder / "ca.pem")
    text = """\
version = 1
[fastgpt]
base_url = "https://kb.example.com/fastai/"
api_key_file = "key"
timeout = "5s"
upload_timeout = "1h"
uploads = 8
search_tests_per_second = 0.5
training_timeout = "30m"
ca_file = "ca.pem"
max_attempts = 9
[ledger]
path = "state/ledger.db"
space = "a1b2"
backups = 0
history = "1h"
[schedule]
timezone = "Asia/Shanghai"
scan = "*/5 8-18 * * mon-fri"
audit = "6h"
verify = "0  4 * * 0"
verify_sample = "2/5"
maintenance = "1d"
jitter = "0s"
[service]
drain = "0s"
[http]
listen = ""
health_listen = "127.0.0.1:8322"
token = "open-sesame"
allowed_hosts = ["Docs.example.org"]
[notify]
webhook_url = "https://hooks.example.org/T0/B0"
webhook_format = "slack"
webhook_secret = "whsec_c2VjcmV0"
ping_url = "https://ping.example.org/abc"
ping_every = "1m"
[[source]]
name = "a"
path = "docs"
dataset = "6b03477e83be05e0af406d6d"
folder = "/manuals//english/"
include = ["**/*.md"]
exclude = ["drafts/"]
watch = "poll"
settle = "0s"
tags = ["t", " u "]
encodings = ["utf-8", "big5"]
max_size = "10MiB"
poll = "10s"
verify = { probes = 0, search_mode = "embedding" }
delete.max_count = 0
delete.max_percent = "12.5%"
delete.grace = "0s"
[source.training]
mode = "qa"
qa_prompt = "Ask."
"""
    config = _load(folder, text)
    assert config.fastgpt == FastGPT(
        "https://kb.example.com/fastai/api",
        Secret(KEY),
        f"api_key_file {folder}/key",
        5.0,
        3600.0,
        8,
        0.5,
        1800.0,
        folder / "ca.pem",
        9,
        folder / "key",
    )
    assert config.ledger == LedgerConfig(folder / "state/ledger.db", "a1b2", 0, 3600.0)
    assert config.schedule == Schedule("Asia/Shanghai", "*/5 8-18 * * mon-fri", "6h", "0 4 * * 0", "2/5", "1d", 0.0)
    assert config.service == Service(0.0)
    assert config.http == Http("", "127.0.0.1:8322", Secret("open-sesame"), ("docs.example.org",))
    assert config.notify == Notify(
        Secret("https://hooks.example.org/T0/B0"),
        "slack",
        Secret("whsec_c2VjcmV0"),
        Secret("https://ping.example.org/abc"),
        60.0,
    )
    assert config.sources == (
        Source(
            "a",
            folder / "docs",
            "6b03477e83be05e0af406d6d",
            "manuals/english",
            ("**/*.md",),
            ("drafts/",),
            "poll",
            0.0,
            ("t", "u"),
            ("utf-8", "big5"),
            10_485_760,
            10.0,
            Training("qa", (("qaPrompt", "Ask."),)),
            VerifyPolicy(0, "embedding"),
            DeletePolicy(0, 12.5, 0.0),
        ),
    )
    assert config.warnings == ()


TRAINING_TEXT = """\
[source.training]
mode = "chunk"
chunk_size = 64
chunk_split_mode = "char"
chunk_splitter = "\\n"
index_size = 512
paragraph_chunk_deep = 0
paragraph_chunk_min_size = 100
chunk_trigger_type = "forceChunk"
chunk_trigger_min_size = 1000
qa_prompt = "x"
auto_indexes = true
image_index = false
index_prefix_title = true
custom_pdf_parse = true
data_enhance_collection_name = false
"""


def test_training_keys_become_fastgpts(folder: Path) -> None:
    """Training options carry FastGPT's own names, sorted, and say ``custom`` so that FastGPT heeds them."""
    assert set(TRAINING) == set(tomllib.loads(TRAINING_TEXT)["source"]["training"])
    assert _load(folder, _source(TRAINING_TEXT)).sources[0].training == Training(
        "chunk",
        (
            ("autoIndexes", True),
            ("chunkSettingMode", "custom"),
            ("chunkSize", 64),
            ("chunkSplitMode", "char"),
            ("chunkSplitter", "\n"),
            ("chunkTriggerMinSize", 1000),
            ("chunkTriggerType", "forceChunk"),
            ("customPdfParse", True),
            ("dataEnhanceCollectionName", False),
            ("imageIndex", False),
            ("indexPrefixTitle", True),
            ("indexSize", 512),
            ("paragraphChunkDeep", 0),
            ("paragraphChunkMinSize", 100),
            ("qaPrompt", "x"),
        ),
    )


@pytest.mark.parametrize(
    ("line", "custom"),
    [
        ("chunk_size = 500", True),
        ('chunk_split_mode = "size"', True),
        ('chunk_splitter = "#"', True),
        ("index_size = 256", True),
        ("paragraph_chunk_deep = 3", True),
        ("paragraph_chunk_min_size = 50", True),
        ('chunk_trigger_type = "maxSize"', True),
        ("chunk_trigger_min_size = 10", True),
        ("auto_indexes = true", False),
        ("image_index = true", False),
        ("index_prefix_title = true", False),
        ("custom_pdf_parse = true", False),
        ("data_enhance_collection_name = true", False),
    ],
)
def test_any_chunk_setting_makes_the_mode_custom(line: str, custom: bool, folder: Path) -> None:
    """FastGPT ignores chunk settings in its mode ``auto``, so any of them switches to ``custom``; others do not."""
    options = dict(_load(folder, _source(f"[source.training]\n{line}")).sources[0].training.options)
    assert options.pop("chunkSettingMode", None) == ("custom" if custom else None)
    assert list(options) == [camel(line.split(" ")[0])]


@pytest.mark.parametrize(
    ("lines", "implied"),
    [
        ("chunk_size = 500", True),
        ("index_size = 256", True),
        ('chunk_splitter = "#"', True),
        ("paragraph_chunk_deep = 3", True),
        ('chunk_trigger_type = "maxSize"', True),
        ('chunk_size = 500\nchunk_split_mode = "size"', False),
        ('chunk_split_mode = "char"', False),
        ('chunk_split_mode = "paragraph"', False),
        ("auto_indexes = true", False),
        ("", False),
    ],
)
def test_custom_settings_imply_paragraphs(lines: str, implied: bool, folder: Path) -> None:
    """Custom settings without a split mode would cut without regard to headings; what a person says stands (R3)."""
    training = _load(folder, _source(f"[source.training]\n{lines}")).sources[0].training
    assert training.implied == ((("chunkSplitMode", "paragraph"),) if implied else ())
    assert ("chunkSplitMode", "paragraph") not in training.options or "paragraph" in lines


@pytest.mark.parametrize(("mode", "warned"), [("size", True), ("char", False), ("paragraph", False)])
def test_cutting_by_size_is_warned_about(mode: str, warned: bool, folder: Path) -> None:
    """`check` names the line of a split mode that cuts without regard to headings (R3)."""
    text = _source(f'[source.training]\nchunk_split_mode = "{mode}"')
    line = text.split("\n").index(f'chunk_split_mode = "{mode}"') + 1
    warnings = _load(folder, text).warnings
    assert [w.startswith(f"{folder}/config.toml:{line}: ") and "headings" in w for w in warnings] == [True] * warned


@pytest.mark.parametrize(
    ("written", "base_url"),
    [
        ("http://localhost:3000", "http://localhost:3000/api"),
        ("http://localhost:3000/", "http://localhost:3000/api"),
        ("http://localhost:3000/api", "http://localhost:3000/api"),
        ("http://localhost:3000/api///", "http://localhost:3000/api"),
        ("  https://host/api/  ", "https://host/api"),
        ("https://host/api/v1", "https://host/api"),
        ("https://host/v1", "https://host/api"),
        ("https://host/v1/", "https://host/api"),
        ("https://host/api/v1/chat/completions", "https://host/api"),
        ("https://host/v1/chat/completions/", "https://host/api"),
        ("https://host/fastai", "https://host/fastai/api"),
        ("https://host/fastai/api/v1", "https://host/fastai/api"),
        ("https://host/myapi", "https://host/myapi/api"),
        ("https://host/apiv1", "https://host/apiv1/api"),
        ("HTTPS://Host:8443/x", "https://Host:8443/x/api"),
        ("http://[::1]:3000", "http://[::1]:3000/api"),
    ],
)
def test_base_urls_are_normalised(written: str, base_url: str, folder: Path) -> None:
    """However the address was pasted, it ends in /api once, below its sub-path."""
    assert _load(folder, MINIMAL.replace("http://localhost:3000", written)).fastgpt.base_url == base_url


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", 'must not be empty; write FastGPT\'s address, such as "http://localhost:3000/api"'),
        ("localhost:3000", "must begin with http:// or https://"),
        ("//localhost", "must begin with http:// or https://"),
        ("ftp://localhost", "must begin with http:// or https://"),
        ("http://", 'must name a host, as in "http://localhost:3000/api"'),
        ("http:///api", 'must name a host, as in "http://localhost:3000/api"'),
        ("http://:3000/api", 'must name a host, as in "http://localhost:3000/api"'),
        ("http://h/api?key=1", "must not contain a query (?) or a fragment (#)"),
        ("http://h/api#x", "must not contain a query (?) or a fragment (#)"),
        ("http://h h/api", "must not contain blanks, backslashes or control characters"),
        (
            "http://h:port/api",
            'must be an address such as "http://localhost:3000/api"; host or port cannot be read',
        ),
        (
            "http://[::1/api",
            'must be an address such as "http://localhost:3000/api"; host or port cannot be read',
        ),
        (
            f"http://me:{KEY}@h/api",
            "must not contain a user or password; put the key into the file that api_key_file names",
        ),
    ],
)
def test_wrong_base_urls(written: str, problem: str, folder: Path) -> None:
    """An address that cannot be FastGPT's API is refused, and no message repeats what may be a password."""
    text = MINIMAL.replace("http://localhost:3000", written)
    assert _problems(folder, text) == [f'config.toml:3: [fastgpt]: "base_url" {problem}']


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"STATE_DIRECTORY": "/var/lib/syncd:/var/lib/b", "XDG_STATE_HOME": "/s"}, "/var/lib/syncd/ledger.db"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/syncd/ledger.db"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/syncd/ledger.db"),
        ({"STATE_DIRECTORY": "", "HOME": "/h"}, "/h/.local/state/syncd/ledger.db"),
    ],
)
def test_the_ledgers_default_place(env: dict[str, str], path: str, folder: Path) -> None:
    """systemd's state directory, else the XDG state home, else the one below the home directory."""
    assert _load(folder, MINIMAL, env).ledger.path == Path(path)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("docs", "{folder}/docs"),
        ("./docs/", "{folder}/docs"),
        ("docs/../other", "{folder}/other"),
        ("/srv/docs", "/srv/docs"),
        ("~/docs", "/home/me/docs"),
        ("~", "/home/me"),
        ("~other/docs", "{folder}/~other/docs"),
        ("link/../docs", "{folder}/link/../docs"),
    ],
)
def test_paths_are_relative_to_the_file(written: str, path: str, folder: Path) -> None:
    """A relative path starts at the configuration's folder; ``..`` behind a symbolic link keeps its meaning."""
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to("elsewhere/deep")
    (folder / "elsewhere/deep").mkdir()
    loaded = _load(folder, MINIMAL.replace('path = "docs"', f'path = "{written}"'))
    assert loaded.sources[0].path == Path(path.format(folder=folder))


def test_relative_configuration_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a relative --config the paths are absolute all the same, and messages name the file as it was given."""
    monkeypatch.chdir(folder.parent)
    relative = Path(folder.name) / "config.toml"
    relative.write_text(MINIMAL)
    assert syncd.config.load(relative, env=ENV).sources[0].path == folder / "docs"
    relative.write_text("x")
    with pytest.raises(ConfigError, match=f"^{re.escape(str(relative))}:1: not valid TOML"):
        syncd.config.load(relative, env=ENV)


# ---------------------------------------------------------------- mistakes in one value

D = 'must be a duration such as "30s", "5m" or "1h30m"'
T = 'must be a duration such as "15m" or a cron expression such as "0 3 * * *"'
CRON = "is a cron expression"

FASTGPT_MISTAKES = [
    ("timeout = 30", f'"timeout" {D}, not the number 30; did you mean "30s"?'),
    ("timeout = -1", f'"timeout" {D}, not the number -1'),
    ("timeout = nan", f'"timeout" {D}, not the number nan'),
    ("timeout = true", f'"timeout" {D}, not true'),
    ('timeout = "soon"', f'"timeout" {D}, not "soon"'),
    ('timeout = "0s"', '"timeout" must be longer than nothing, not "0s"'),
    ('upload_timeout = "11000d"', '"upload_timeout" must not be longer than ten years, not "11000d"'),
    ('training_timeout = ""', f'"training_timeout" {D}, not ""'),
    ("uploads = 0", '"uploads" must be a whole number from 1 to 64, not the number 0'),
    ("uploads = 65", '"uploads" must be a whole number from 1 to 64, not the number 65'),
    ("uploads = true", '"uploads" must be a whole number from 1 to 64, not true'),
    ("uploads = 2.0", '"uploads" must be a whole number from 1 to 64, not the number 2.0'),
    ('uploads = "4"', '"uploads" must be a whole number from 1 to 64, not "4"'),
    ("uploads = [4]", '"uploads" must be a whole number from 1 to 64, not a list'),
    ("uploads = {}", '"uploads" must be a whole number from 1 to 64, not a table'),
    ("uploads = 1979-05-27", '"uploads" must be a whole number from 1 to 64, not a date or time'),
    ("uploads = " + "9" * 4000, '"uploads" must be a whole number from 1 to 64, not so large a number'),
    (
        "search_tests_per_second = 0",
        '"search_tests_per_second" must be a number above 0 and at most 1000, not the number 0',
    ),
    (
        "search_tests_per_second = nan",
        '"search_tests_per_second" must be a number above 0 and at most 1000, not the number nan',
    ),
    (
        "search_tests_per_second = inf",
        '"search_tests_per_second" must be a number above 0 and at most 1000, not so large a number',
    ),
    ("max_attempts = 0", '"max_attempts" must be a whole number from 1 to 1000, not the number 0'),
    ('ca_file = ""', '"ca_file" must not be empty; write a path'),
    ('ca_file = "absent"', '"ca_file" names a file that does not exist: absent'),
    ('ca_file = "docs"', '"ca_file" names a file that does not exist: docs'),
    ('ca_file = "\\u0000"', '"ca_file" must not contain a null character'),
    ('tiemout = "3s"', 'unknown key "tiemout"; did you mean "timeout"?'),
    ("zzz = 1", 'unknown key "zzz"'),
    ('listen = ""', 'unknown key "listen"; it belongs into [http]'),
    (f'"{KEY}" = 1', "unknown key what looks like an API key"),
    (f'timeout = "{KEY}"', f'"timeout" {D}, not what looks like an API key'),
]


@pytest.mark.parametrize(("line", "problem"), FASTGPT_MISTAKES)
def test_mistakes_in_fastgpt(line: str, problem: str, folder: Path) -> None:
    """A wrong key of [fastgpt] is named with its line and with what it should be."""
    text = MINIMAL.replace('[[source]]\nname = "h', f'{line}\n[[source]]\nname = "h')
    assert _problems(folder, text) == [f"config.toml:5: [fastgpt]: {problem}"]


OTHER_MISTAKES = [
    ('[ledger]\npath = ""', '[ledger]: "path" must not be empty; write a path'),
    ('[ledger]\npath = "docs"', '[ledger]: "path" must name a file, but is a directory: docs'),
    (
        '[ledger]\nspace = "a b"',
        '[ledger]: "space" must consist of letters, digits, dots, dashes and underscores (A-Z a-z 0-9 . - _), at most '
        '100, not "a b"',
    ),
    (
        '[schedule]\ntimezone = "Mars/Olympus"',
        '[schedule]: "timezone" must be a time zone such as "UTC", "Europe/Berlin" or "Asia/Shanghai", '
        'not "Mars/Olympus"',
    ),
    (
        '[schedule]\ntimezone = "../etc/passwd"',
        '[schedule]: "timezone" must be a time zone such as "UTC", "Europe/Berlin" or "Asia/Shanghai", '
        'not "../etc/passwd"',
    ),
    (
        '[schedule]\ntimezone = "America"',
        '[schedule]: "timezone" must be a time zone such as "UTC", "Europe/Berlin" or "Asia/Shanghai", not "America"',
    ),
    ('[schedule]\nscan = ""', f'[schedule]: "scan" {T}, not ""'),
    ('[schedule]\nscan = "often"', f'[schedule]: "scan" {T}, not "often"'),
    ('[schedule]\nscan = "@daily"', f'[schedule]: "scan" {T}, not "@daily"'),
    ('[schedule]\nscan = "0s"', '[schedule]: "scan" must be at least a second, not "0s"'),
    ('[schedule]\nscan = "9999d"', '[schedule]: "scan" must not be longer than ten years, not "9999d"'),
    (
        "[schedule]\nscan = 15",
        '[schedule]: "scan" must be a duration such as "15m" or a cron expression in quotes, not the number 15',
    ),
    (
        '[schedule]\naudit = "0 3 * *"',
        '[schedule]: "audit" must be a cron expression of five fields (minute hour day month weekday), not of 4',
    ),
    (
        '[schedule]\naudit = "0 0 3 * * *"',
        '[schedule]: "audit" must be a cron expression of five fields (minute hour day month weekday), not of 6',
    ),
    ('[schedule]\naudit = "60 3 * * *"', f'[schedule]: "audit" {CRON} whose minute is not within 0-59: "60"'),
    ('[schedule]\naudit = "0 24 * * *"', f'[schedule]: "audit" {CRON} whose hour is not within 0-23: "24"'),
    ('[schedule]\naudit = "0 3 0 * *"', f'[schedule]: "audit" {CRON} whose day of the month is not within 1-31: "0"'),
    ('[schedule]\naudit = "0 3 * 13 *"', f'[schedule]: "audit" {CRON} whose month is not within 1-12: "13"'),
    ('[schedule]\naudit = "0 3 * * 8"', f'[schedule]: "audit" {CRON} whose day of the week is not within 0-7: "8"'),
    ('[schedule]\naudit = "9-5 3 * * *"', f'[schedule]: "audit" {CRON} whose minute is not within 0-59: "9-5"'),
    ('[schedule]\naudit = "5/15 3 * * *"', f'[schedule]: "audit" {CRON} whose minute cannot be read: "5/15"'),
    ('[schedule]\naudit = "*/0 3 * * *"', f'[schedule]: "audit" {CRON} whose minute cannot be read: "*/0"'),
    ('[schedule]\naudit = "1, 3 * * *"', f'[schedule]: "audit" {CRON} whose minute cannot be read: "1,"'),
    (
        '[schedule]\naudit = "0 3 * * noday"',
        f'[schedule]: "audit" {CRON} whose day of the week cannot be read: "noday"',
    ),
    ('[schedule]\naudit = "0 3 30 2 *"', f'[schedule]: "audit" {CRON} that never fires: no such day in these months'),
    ('[schedule]\naudit = "0 3 31 4,6 *"', f'[schedule]: "audit" {CRON} that never fires: no such day in these months'),
    *(
        (
            f'[schedule]\nverify_sample = "{text}"',
            '[schedule]: "verify_sample" must be a fraction such as "1/7" (every document within seven runs), '
            f'not "{text}"',
        )
        for text in ("0/7", "8/7", "1/0", "1", "", "1 / 7", "-1/7", "1/7/2")
    ),
    *(
        (
            f'[http]\nlisten = "{text}"',
            f'[http]: "listen" must be "host:port" such as "127.0.0.1:8321", or "" for none, not "{text}"',
        )
        for text in ("8321", ":8321", "127.0.0.1", "127.0.0.1:99999", "::1:80", "a b:80", "http://a:80")
    ),
]


@pytest.mark.parametrize(("lines", "problem"), OTHER_MISTAKES)
def test_mistakes_in_the_other_tables(lines: str, problem: str, folder: Path) -> None:
    """A wrong key of [ledger], [schedule] or [http] is named with its line and with what it should be."""
    assert _problems(folder, MINIMAL + lines) == [f"config.toml:10: {problem}"]


@pytest.mark.parametrize(
    "written",
    [
        "15m",
        "1h30m",
        "* * * * *",
        "*/15 * * * *",
        "5-59/15 0,12 1-7 jan,JUL Mon-Fri",
        "0 0 29 2 *",
        "0 0 31 4,5 *",
        "0 0 30 2 mon",
        "0 0 * * 7",
        "0 0 * * 0-7",
    ],
)
def test_schedules(written: str, folder: Path) -> None:
    """Durations and cron expressions of five fields are schedules; with a weekday given any day can come true."""
    assert _load(folder, f'{MINIMAL}[schedule]\naudit = "{written}"').schedule.audit == written


NAME = "must consist of letters, digits, dots, dashes and underscores (A-Z a-z 0-9 . - _), at most 100"
SOURCE_MISTAKES = [
    ('pth = "x"', 'unknown key "pth"; did you mean "path"?'),
    ('grace = "1h"', 'unknown key "grace"; it belongs into [source.delete]'),
    ("uploads = 1", 'unknown key "uploads"; it belongs into [fastgpt]'),
    ('"a\\nb" = 1', 'unknown key "a\\nb"'),
    ('folder = "a/../b"', '"folder" must not contain ".."'),
    (
        'folder = "a /b"',
        '"folder" must not contain control characters, nor blanks at the ends of a name',
    ),
    ("folder = 1", '"folder" must be a text such as "manuals/english", not the number 1'),
    ('include = "*.md"', '"include" must be a list such as ["**/*.md"], not "*.md"'),
    (
        'include = ["*.md", 1]',
        '"include" must be a list of texts such as ["**/*.md"], but contains the number 1',
    ),
    ('include = [" "]', '"include" must be a list of patterns on one line each, not " "'),
    ('exclude = ["a", "[z-a]"]', '"exclude": the pattern \'[z-a]\' is malformed: the range "z-a" is empty'),
    ('include = ["/"]', "\"include\": the pattern '/' can match nothing"),
    ('exclude = ["../up"]', "\"exclude\": the pattern '../up' can match nothing: no path in the source holds '..'"),
    (
        f'exclude = ["{"*a" * 33}"]',
        f"\"exclude\": the pattern '{'*a' * 20}'… has 33 wildcards; the most is 32",
    ),
    (
        "exclude = [" + ", ".join(f'"a{number}*b"' for number in range(1001)) + "]",
        '"exclude": more than 1000 patterns with wildcards hold here',
    ),
    ('exclude = ["a\\nb"]', '"exclude" must be a list of patterns on one line each, not "a\\nb"'),
    ('watch = "on"', '"watch" must be "auto", "events", "poll" or "off", not "on"'),
    ("watch = false", '"watch" must be "auto", "events", "poll" or "off", not false'),
    ("settle = 2", f'"settle" {D}, not the number 2; did you mean "2s"?'),
    ('tags = ["a", ""]', '"tags" must be a list of words on one line each, but contains ""'),
    ('tags = ["a\\nb"]', '"tags" must be a list of words on one line each, but contains "a\\nb"'),
    *(
        (
            f'encodings = ["{text}"]',
            f'"encodings" must name text encodings such as "utf-8" or "gb18030", but contains "{text}"',
        )
        for text in ("utf-9", "hex", "rot13", "undefined", "")
    ),
    ("encodings = []", '"encodings" must not be empty; write a list such as ["utf-8", "gb18030"]'),
    (
        "max_size = 10",
        '"max_size" must be a size such as "500kB", "10MB" or "2GiB", not the number 10; did you mean "10MB"?',
    ),
    ('max_size = "10"', '"max_size" must be a size such as "500kB", "10MB" or "2GiB", not "10"'),
    ('max_size = "0MB"', '"max_size" must be more than nothing, not "0MB"'),
    ("training = 1", '"training" must be a table; write [source.training] on a line of its own'),
    ("training = []", '"training" must be a table; write [source.training] on a line of its own'),
    ("verify.probes = 11", '[source.verify]: "probes" must be a whole number from 0 to 10, not the number 11'),
    ("verify.probes = -1", '[source.verify]: "probes" must be a whole number from 0 to 10, not the number -1'),
    (
        'verify.search_mode = "mixed"',
        '[source.verify]: "search_mode" must be "embedding", "fullTextRecall" or "mixedRecall", not "mixed"',
    ),
    (
        "delete.max_count = -1",
        '[source.delete]: "max_count" must be a whole number from 0 to 1000000000, not the number -1',
    ),
    (
        "delete.max_percent = 20",
        '[source.delete]: "max_percent" must be a percentage such as "20%", not the number 20; did you mean "20%"?',
    ),
    (
        'delete.max_percent = "101%"',
        '[source.delete]: "max_percent" must be a percentage from "0%" to "100%", not "101%"',
    ),
    ('delete.grace = "-1s"', f'[source.delete]: "grace" {D}, not "-1s"'),
    ('delete.graze = "1s"', '[source.delete]: unknown key "graze"; did you mean "grace"?'),
    (
        "training.chunk_size = 63",
        '[source.training]: "chunk_size" must be a whole number from 64 to 1000000, not the number 63',
    ),
    (
        "training.paragraph_chunk_deep = 9",
        '[source.training]: "paragraph_chunk_deep" must be a whole number from 0 to 8, not the number 9',
    ),
    (
        "training.index_size = 0",
        '[source.training]: "index_size" must be a whole number from 1 to 1000000, not the number 0',
    ),
    ('training.mode = "QA"', '[source.training]: "mode" must be "chunk" or "qa", not "QA"'),
    (
        'training.chunk_split_mode = "line"',
        '[source.training]: "chunk_split_mode" must be "size", "char" or "paragraph", not "line"',
    ),
    (
        'training.chunk_trigger_type = "min"',
        '[source.training]: "chunk_trigger_type" must be "minSize", "forceChunk" or "maxSize", not "min"',
    ),
    (
        'training.auto_indexes = "yes"',
        '[source.training]: "auto_indexes" must be true or false (without quotes), not "yes"',
    ),
    ("training.chunkSize = 500", '[source.training]: unknown key "chunkSize"; did you mean "chunk_size"?'),
]


@pytest.mark.parametrize(("line", "problem"), SOURCE_MISTAKES)
def test_mistakes_in_a_source(line: str, problem: str, folder: Path) -> None:
    """A wrong key of a source is named with its line, the source's name and with what it should be."""
    colon = "" if problem.startswith("[") else ":"
    assert _problems(folder, _source(line)) == [f'config.toml:9: source "handbook"{colon} {problem}']


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "handbook"', 'name = "a b"', f'6: source 1: "name" {NAME}, not "a b"'),
        ('name = "handbook"', 'name = "手册"', f'6: source 1: "name" {NAME}, not "手册"'),
        ('name = "handbook"', 'name = ".."', f'6: source 1: "name" {NAME}, not ".."'),
        ('name = "handbook"', 'name = ""', f'6: source 1: "name" {NAME}, not ""'),
        ('name = "handbook"', "name = 1", '6: source 1: "name" must be a text in quotes, not the number 1'),
        ('name = "handbook"\n', "", '5: source 1: "name" is missing'),
        ('path = "docs"\n', "", '5: source "handbook": "path" is missing'),
        ('dataset = "Handbook"\n', "", '5: source "handbook": "dataset" is missing'),
        (
            'dataset = "Handbook"',
            'dataset = ""',
            '8: source "handbook": "dataset" must not be empty; write the name or the id of a dataset',
        ),
        (
            'dataset = "Handbook"',
            'dataset = " x"',
            '8: source "handbook": "dataset" must not begin or end with a blank: " x"',
        ),
        (
            'dataset = "Handbook"',
            'dataset = "a\\tb"',
            '8: source "handbook": "dataset" must not contain line breaks or control characters: "a\\tb"',
        ),
        ('path = "docs"', 'path = "key"', '7: source "handbook": "path" must name a directory, but is a file: key'),
        ('path = "docs"', 'path = ""', '7: source "handbook": "path" must not be empty; write a path'),
        ("version = 1\n", "", '1: "version" is missing; write version = 1 at the top'),
        ("version = 1", "version = 2", '1: "version" must be 1, the only one that this syncd reads, not the number 2'),
        ("version = 1", 'version = "1"', '1: "version" must be 1, the only one that this syncd reads, not "1"'),
        ("version = 1", "version = true", '1: "version" must be 1, the only one that this syncd reads, not true'),
        (
            "version = 1",
            "version = 1.0",
            '1: "version" must be 1, the only one that this syncd reads, not the number 1.0',
        ),
        (
            'base_url = "http://localhost:3000"\n',
            "",
            '2: [fastgpt]: "base_url" is missing; write the address of FastGPT',
        ),
        ("[[source]]", "[source]", '5: "source" must be a list of tables; write [[source]], with two brackets'),
        (
            MINIMAL[MINIMAL.index("[[source]]") :],
            "",
            "1: there is no source; add [[source]] with name, path and dataset",
        ),
        (
            MINIMAL[MINIMAL.index("[[source]]") :],
            "[http]\nlisten = ''\n[[sources]]\nname = 'a'\n",
            '7: unknown table "sources"; did you mean "source"?',
        ),
        ("version = 1", "version = 1\nname = 'x'", '2: unknown key "name"; it belongs into [[source]]'),
        ("version = 1", "version = 1\nhttp = 1", '2: "http" must be a table; write [http] on a line of its own'),
    ],
)
def test_mistakes_in_what_is_required(old: str, new: str, problem: str, folder: Path) -> None:
    """What every configuration must have is named when it is missing or wrong."""
    assert MINIMAL.count(old) == 1
    problems = _problems(folder, MINIMAL.replace(old, new))
    assert f"config.toml:{problem}" in problems
    assert len(problems) == (2 if "sources" in new else 1)


def test_a_missing_root_is_no_mistake(folder: Path) -> None:
    """A folder that is not there now is a hold at run time, not an error of the configuration."""
    assert _load(folder, MINIMAL.replace('"docs"', '"absent/docs"')).sources[0].path == folder / "absent/docs"


def test_every_problem_at_once_in_the_order_of_the_lines(folder: Path) -> None:
    """All problems come in one go, by line; those of the environment at the end."""
    text = """\
[http]
listen = 5
[[source]]
name = "a"
path = "key"
datset = "A"
[source.training]
chunk_size = 1
[[source]]
name = "a"
path = "docs"
dataset = "B"
[fastgpt]
timeout = 3
base_url = "x"
"""
    assert _problems(folder, text, {"SYNCD_FASTGPT__UPLOADS": "x", "HOME": "/h"}) == [
        'config.toml:1: "version" is missing; write version = 1 at the top',
        'config.toml:2: [http]: "listen" must be a text such as "127.0.0.1:8321", not the number 5',
        'config.toml:3: source "a": "dataset" is missing',
        'config.toml:5: source "a": "path" must name a directory, but is a file: key',
        'config.toml:6: source "a": unknown key "datset"; did you mean "dataset"?',
        'config.toml:8: source "a" [source.training]: "chunk_size" must be a whole number from 64 to 1000000, '
        "not the number 1",
        'config.toml:10: source "a": "name" must differ from that of the source at line 4',
        "config.toml:13: [fastgpt]: no API key; name its file in api_key_file, or set SYNCD_API_KEY_FILE or "
        "SYNCD_API_KEY",
        f'config.toml:14: [fastgpt]: "timeout" {D}, not the number 3; did you mean "3s"?',
        'config.toml:15: [fastgpt]: "base_url" must begin with http:// or https://',
        'environment: SYNCD_FASTGPT__UPLOADS must be a whole number from 1 to 64, not "x"',
    ]


def test_problems_exit_with_78(folder: Path) -> None:
    """A configuration error ends the process with 78, and its message holds every problem."""
    with pytest.raises(ConfigError) as caught:
        _load(folder, "version = 1")
    assert caught.value.exit_code == EXIT_CONFIG == 78
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'version = 1\nname = "a\n', "2: not valid TOML: Illegal character '\\n'"),
        (b"version = 1\r\n\r\nx\r\n", "3: not valid TOML: Expected '=' after a key in a key/value pair"),
        (b"version = 1\nversion = 1\n", "2: not valid TOML: Cannot overwrite a value"),
        (b"a = 1\nb = '\xff'\n", "2: not valid TOML: the text is not UTF-8"),
        (b"x = " + b"[" * 100_000, "1: not valid TOML: nested too deeply"),
        (b"x = " + b"9" * 5000, "1: not valid TOML: a number or a date that cannot be read"),
        (b"#" * (4 * 1024 * 1024 + 1), "1: too large for a configuration"),
    ],
)
def test_what_is_no_toml(data: bytes, problem: str, folder: Path) -> None:
    """A syntax error has its line, and nothing that a file may contain is a crash."""
    path = folder / "config.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        syncd.config.load(path, env=ENV)
    (found,) = caught.value.problems
    assert found == f"{path}:{problem}"


def test_a_byte_order_mark_and_windows_lines_are_fine(folder: Path) -> None:
    """A file that an editor on Windows has saved is read, and its lines are counted rightly."""
    path = folder / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert syncd.config.load(path, env=ENV).sources[0].name == "handbook"
    path.write_bytes(b"\xef\xbb\xbf" + (MINIMAL + "x = 1\n").replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError, match=r'config.toml:9: source "handbook": unknown key "x"'):
        syncd.config.load(path, env=ENV)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent.toml", "No such file or directory"), ("docs", "Is a directory"), ("a\0b", "not a path")],
)
def test_files_that_cannot_be_read(name: str, reason: str, folder: Path) -> None:
    """A stated file that is not there is an error that says so."""
    with pytest.raises(ConfigError) as caught:
        syncd.config.load(folder / name, env=ENV)
    (problem,) = caught.value.problems
    shown = name.replace("\0", "\\x00")
    assert problem == f"{folder}/{shown}:1: cannot be read: {reason}; `syncd init` writes a first configuration"


# ---------------------------------------------------------------- several sources


def _two(first: str, second: str) -> str:
    """Two sources; each is "name|path|dataset|folder"."""
    text = MINIMAL[: MINIMAL.index("[[source]]")]
    for line in (first, second):
        name, path, dataset, folder = line.split("|")
        text += f'[[source]]\nname = "{name}"\npath = "{path}"\ndataset = "{dataset}"\nfolder = "{folder}"\n'
    return text


SAME_FOLDER = "into the same folder or one inside the other; give each a folder of its own"
SAME_ROOT = "from the same directory or one inside the other: {}; each document would be there twice"


@pytest.mark.parametrize(
    ("first", "second", "problems"),
    [
        ("a|x|D|", "b|y|E|", []),
        ("a|x|D|", "b|x|E|", []),
        ("a|x|D|one", "b|y|D|two", []),
        ("a|x|D|one", "b|y|D|one-more", []),
        ("a|x|D|one/a", "b|y|D|one/b", []),
        ("a|x|D|one", "b|xy|D|two", []),
        ("a|x|D|one", "b|y|D|one", [(14, SAME_FOLDER)]),
        ("a|x|D|one", "b|y|D|/one/", [(14, SAME_FOLDER)]),
        ("a|x|D|one", "b|y|D|one/two", [(14, SAME_FOLDER)]),
        ("a|x|D|one/two", "b|y|D|one", [(14, SAME_FOLDER)]),
        ("a|x|D|", "b|y|D|one", [(14, SAME_FOLDER)]),
        ("a|x|D|one", "b|x|D|two", [(12, SAME_ROOT.format("x"))]),
        ("a|x|D|one", "b|x/y|D|two", [(12, SAME_ROOT.format("x/y"))]),
        ("a|x/y|D|one", "b|x|D|two", [(12, SAME_ROOT.format("x"))]),
        ("a|/|D|one", "b|x|D|two", [(12, SAME_ROOT.format("x"))]),
        ("a|docs|D|one", "b|link|D|two", [(12, SAME_ROOT.format("link"))]),
        ("a|x|D|", "b|x|D|", [(12, SAME_ROOT.format("x")), (14, SAME_FOLDER)]),
    ],
)
def test_sources_that_share_a_dataset(first: str, second: str, problems: list[tuple[int, str]], folder: Path) -> None:
    """Two sources feed one dataset only in folders, and from roots, of which none is inside the other (rule 29)."""
    (folder / "link").symlink_to("docs")
    expected = [
        f'config.toml:{line}: source "b": feeds dataset "D" as source "a" does, {text}' for line, text in problems
    ]
    if expected:
        assert _problems(folder, _two(first, second)) == expected
    else:
        assert [source.name for source in _load(folder, _two(first, second)).sources] == ["a", "b"]


def test_names_of_sources_are_unique(folder: Path) -> None:
    """Two sources of one name cannot be told apart in the ledger."""
    assert _problems(folder, _two("a|x|D|", "a|y|E|")) == [
        'config.toml:11: source "a": "name" must differ from that of the source at line 6'
    ]


# ---------------------------------------------------------------- the key


def _key_text(lines: str) -> str:
    return MINIMAL.replace('api_key_file = "key"\n', lines)


@pytest.mark.parametrize(
    ("lines", "names", "key", "origin"),
    [
        ('api_key_file = "1"\napi_key = "5"\n', "CFV", "k1", "api_key_file {folder}/1"),
        ('api_key = "5"\n', "CFV", "k2", "credential {folder}/creds/fastgpt-api-key"),
        ('api_key = "5"\n', "FV", "k3", "SYNCD_API_KEY_FILE"),
        ('api_key = "5"\n', "V", "k4", "SYNCD_API_KEY"),
        ('api_key = "5"\n', "", "5", "api_key in the configuration"),
        ("", "E", "k3", "SYNCD_API_KEY_FILE"),
    ],
)
def test_the_first_place_of_the_key_wins(lines: str, names: str, key: str, origin: str, folder: Path) -> None:
    """api_key_file, systemd's credential, SYNCD_API_KEY_FILE, SYNCD_API_KEY, api_key: in this order."""
    (folder / "creds").mkdir()
    (folder / "empty").mkdir()
    for file, content in (("1", "k1\n"), ("creds/fastgpt-api-key", "k2\r\n"), ("3", "k3")):
        (folder / file).write_bytes(content.encode())
    everything = {
        "C": {"CREDENTIALS_DIRECTORY": f"{folder}/creds"},
        "E": {"CREDENTIALS_DIRECTORY": f"{folder}/empty", "SYNCD_API_KEY_FILE": "3"},
        "F": {"SYNCD_API_KEY_FILE": f"{folder}/3"},
        "V": {"SYNCD_API_KEY": "k4"},
    }
    env = dict(ENV)
    for letter in names:
        env |= everything[letter]
    fastgpt = _load(folder, _key_text(lines), env).fastgpt
    assert fastgpt.api_key.reveal() == key
    assert fastgpt.api_key_origin == origin.format(folder=folder)


EMPTY = "gives an empty API key; put FastGPT's global key (API keys of the account) there"
BLANK = "gives an API key with blanks or line breaks in it; it must be one word on one line"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", EMPTY),
        (b"\n", EMPTY),
        (b" \n\n", EMPTY),
        (KEY.encode() + b" \n", BLANK),
        (b" " + KEY.encode(), BLANK),
        (KEY.encode() + b"\n\n", BLANK),
        (KEY.encode() + b"\tx", BLANK),
        (KEY.encode() + b"\x00", "gives an API key with characters that no key has; copy it again"),
        (KEY.encode() + "é".encode(), "gives an API key with characters that no key has; copy it again"),
        (b"x" * 70_000, "names a file that is too large for a key: key"),
    ],
)
def test_keys_that_cannot_be_right(content: bytes, problem: str, folder: Path) -> None:
    """An empty key, or one with blanks inside, is found before any request; one newline at the end is fine."""
    (folder / "key").write_bytes(content)
    assert _problems(folder, MINIMAL) == [f'config.toml:4: [fastgpt]: "api_key_file" {problem}']


@pytest.mark.parametrize(
    ("lines", "env", "problem"),
    [
        (
            'api_key_file = "absent"\n',
            {"SYNCD_API_KEY": "good"},
            'config.toml:4: [fastgpt]: "api_key_file" names a file that does not exist in .; put it there, alone '
            "on one line",
        ),
        (
            'api_key_file = "docs"\n',
            {},
            'config.toml:4: [fastgpt]: "api_key_file" names a file that cannot be read: docs: Is a directory',
        ),
        (
            f'api_key_file = "{KEY}"\n',
            {"SYNCD_API_KEY": "good"},
            'config.toml:4: [fastgpt]: "api_key_file" looks like the key itself; it must name a file that contains the '
            "key",
        ),
        (
            "",
            {"SYNCD_FASTGPT__API_KEY_FILE": KEY, "SYNCD_API_KEY": "good"},
            "environment: SYNCD_FASTGPT__API_KEY_FILE looks like the key itself; it must name a file that contains the "
            "key",
        ),
        (
            "",
            {"SYNCD_API_KEY_FILE": "absent", "SYNCD_API_KEY": "good"},
            "environment: SYNCD_API_KEY_FILE names a file that does not exist in .; put it there, alone on one line",
        ),
        ("", {"SYNCD_API_KEY_FILE": "", "SYNCD_API_KEY": "good"}, f"environment: SYNCD_API_KEY_FILE {EMPTY}"),
        (
            "api_key_file = 5\n",
            {},
            'config.toml:4: [fastgpt]: "api_key_file" must be a path in quotes',
        ),
        ('api_key = "good"\n', {"SYNCD_API_KEY": ""}, f"environment: SYNCD_API_KEY {EMPTY}"),
        ("", {"SYNCD_API_KEY": f"{KEY} x"}, f"environment: SYNCD_API_KEY {BLANK}"),
        ('api_key = ""\n', {}, f'config.toml:4: [fastgpt]: "api_key" {EMPTY}'),
        ("api_key = 5\n", {}, 'config.toml:4: [fastgpt]: "api_key" must be a text in quotes'),
        (
            "",
            {},
            "config.toml:2: [fastgpt]: no API key; name its file in api_key_file, or set SYNCD_API_KEY_FILE or "
            "SYNCD_API_KEY",
        ),
    ],
)
def test_places_of_the_key_that_fail(lines: str, env: dict[str, str], problem: str, folder: Path) -> None:
    """A place that is stated but broken is an error; the next one does not stand in for it."""
    assert _problems(folder, _key_text(lines), {**ENV, **env}) == [problem]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True), (0o700, False)])
def test_a_key_that_others_can_read_is_warned_about(mode: int, warned: bool, folder: Path) -> None:
    """A key inside the configuration is a warning when group or others can read the file."""
    path = folder / "config.toml"
    path.write_text(_key_text(f'api_key = "{KEY}"\n'))
    path.chmod(mode)
    warnings = syncd.config.load(path, env=ENV).warnings
    text = (
        "[fastgpt]: others can read the key in this file; move it to a file of its own (api_key_file), or take their "
        "right to read: chmod 600"
    )
    assert warnings == ((f"{path}:4: {text}",) if warned else ())


def test_the_key_shows_itself_only_when_asked(folder: Path) -> None:
    """No way of printing or copying the configuration shows the key."""
    config = _load(folder, MINIMAL)
    key = config.fastgpt.api_key
    shown = (repr(config), str(config), f"{key}", f"{key!r}", f"{key:>40}", str(key), "%s" % key, repr([key]))  # noqa: UP031
    assert [text for text in shown if KEY in text] == []
    assert shown[2:] == ("***", "***", "***", "***", "***", "[***]")
    assert repr(dataclasses.asdict(config)).count("***") == 1 + 4  # the empty ones look alike
    assert copy.deepcopy(key) is key is copy.copy(key)
    assert key == Secret(KEY) != Secret("other")
    assert (len({key, Secret(KEY)}), bool(key), bool(Secret(""))) == (1, True, False)
    with pytest.raises(TypeError, match=r"^a secret is not written anywhere$"):
        pickle.dumps(key)
    with pytest.raises(AttributeError):
        key.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lines", "env", "refused"),
    [
        ('listen = "127.0.0.1:1"\ntoken = "short"', {}, False),
        ('listen = "[::1]:1"\ntoken = "short"', {}, False),
        ('listen = "[::ffff:127.0.0.1]:1"\ntoken = "short"', {}, False),
        ('listen = ""\ntoken = "short"', {}, False),
        ('listen = "0.0.0.0:1"\ntoken = "fifteen-letters"', {}, True),
        ('listen = "0.0.0.0:1"\ntoken = "sixteen-letters."', {}, False),
        ('listen = "[::]:1"\ntoken = "short"', {}, True),
        ('listen = "docs.example.org:1"\ntoken = "short"', {}, True),
        ('listen = "0.0.0.0:1"', {}, False),  # without a token nothing can be changed
        ('listen = "0.0.0.0:1"\ntoken_file = "word"', {}, True),
        ('token = "short"', {"SYNCD_HTTP__LISTEN": "10.0.0.1:1"}, True),
        ('token = "short"\nhealth_listen = "0.0.0.0:2"', {}, False),  # nobody is asked for a token there
    ],
)
def test_short_tokens_are_for_this_machine_alone(lines: str, env: dict[str, str], refused: bool, folder: Path) -> None:
    """Where others than this machine can try a token it has sixteen characters at least; it is not shown."""
    _hidden(folder / "word", "short\n")
    text = MINIMAL + "[http]\n" + lines
    if not refused:
        assert _load(folder, text, {**ENV, **env}).http
        return
    [problem] = _problems(folder, text, {**ENV, **env})
    assert "fewer than 16 characters, and others than this machine can try it at" in problem
    assert "short" not in problem
    assert "fifteen" not in problem


def test_health_has_an_address_of_its_own(folder: Path) -> None:
    """The two ports of the status server are not the same one, unless the system chooses them."""
    more = '[http]\nlisten = "0.0.0.0:8321"\nhealth_listen = "0.0.0.0:8321"\n'
    [problem] = _problems(folder, MINIMAL + more)
    assert problem.endswith('"health_listen" must be another address than "listen"; leave it out for one port')
    assert "[::]:8322" == _load(folder, MINIMAL + '[http]\nhealth_listen = "[::]:8322"\n').http.health_listen
    assert _load(folder, MINIMAL + more.replace("8321", "0")).http


def test_every_secret_is_known_as_one(folder: Path) -> None:
    """Whatever must not be written is named for the log's redaction, from a file or not, and shows itself nowhere."""
    (folder / "url").write_text("https://hooks.example.org/T0\n")
    more = '[http]\ntoken = "open-sesame"\n[notify]\nwebhook_url_file = "url"\nping_url = "http://p.example.org/x"\n'
    config = _load(folder, MINIMAL + more)
    known = {KEY, "open-sesame", "https://hooks.example.org/T0", "http://p.example.org/x"}
    assert known == set(config.secrets())
    assert [secret for secret in known if secret in repr(config)] == []


def test_a_token_may_be_a_credential_of_systemd(folder: Path) -> None:
    """Without a token in the configuration the credential http-token is taken."""
    (folder / "http-token").write_text("open-sesame\n")
    config = _load(folder, MINIMAL, env={**ENV, "CREDENTIALS_DIRECTORY": str(folder)})
    assert config.http.token == Secret("open-sesame")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[notify]\nwebhook_url = "hooks.example.org"', '"webhook_url" must be an address that begins with'),
        ('[notify]\nping_url_file = "absent"', '"ping_url_file" names a file that does not exist'),
        ('[http]\nallowed_hosts = ["a:80"]', '"allowed_hosts" must be a list of host names without ports'),
        ('[ledger]\nhistory = "1m"', '"history" must be at least "1h"'),
        ('[http]\ntoken = "two words"', '"token" gives a secret with blanks'),
    ],
)
def test_values_of_the_service_are_checked(folder: Path, text: str, problem: str) -> None:
    """A wrong value of the service's tables is named with its line, and no secret is in the message."""
    (found,) = _problems(folder, MINIMAL + text)
    assert problem in found
    assert "hooks.example.org" not in found
    assert "two words" not in found


# ---------------------------------------------------------------- the environment


def test_variables_override_the_file(folder: Path) -> None:
    """SYNCD_<TABLE>__<KEY> overrides a scalar, read as the key's own type."""
    env = {
        **ENV,
        "SYNCD_FASTGPT__BASE_URL": "https://other/v1",
        "SYNCD_FASTGPT__UPLOADS": "8",
        "SYNCD_FASTGPT__SEARCH_TESTS_PER_SECOND": "0.5",
        "SYNCD_FASTGPT__TIMEOUT": "1m",
        "SYNCD_LEDGER__PATH": "l.db",
        "SYNCD_SCHEDULE__SCAN": "*/2 * * * *",
        "SYNCD_HTTP__LISTEN": "",
        "SYNCD_FASTGPT__API_KEY_FILE": "other-key",
    }
    (folder / "other-key").write_text("other")
    config = _load(folder, MINIMAL, env)
    assert config.fastgpt.base_url == "https://other/api"
    assert (config.fastgpt.uploads, config.fastgpt.search_tests_per_second, config.fastgpt.timeout) == (8, 0.5, 60.0)
    assert (config.ledger.path, config.schedule.scan, config.http.listen) == (folder / "l.db", "*/2 * * * *", "")
    assert config.fastgpt.api_key.reveal() == "other"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "SYNCD_FASTGPT__UPLOAD",
            "8",
            'SYNCD_FASTGPT__UPLOAD overrides no key; did you mean "SYNCD_FASTGPT__UPLOADS"?',
        ),
        (
            "SYNCD_FASTGTP__UPLOADS",
            "8",
            'SYNCD_FASTGTP__UPLOADS overrides no key; did you mean "SYNCD_FASTGPT__UPLOADS"?',
        ),
        (
            "SYNCD_FASTGPT__uploads",
            "8",
            'SYNCD_FASTGPT__uploads overrides no key; did you mean "SYNCD_FASTGPT__UPLOADS"?',
        ),
        (
            "SYNCD_SOURCE__PATH",
            "x",
            "SYNCD_SOURCE__PATH overrides no key; sources can be written only in the file",
        ),
        ("SYNCD__", "x", "SYNCD__ overrides no key"),
        ("SYNCD_FASTGPT__UPLOADS", "", 'SYNCD_FASTGPT__UPLOADS must be a whole number from 1 to 64, not ""'),
        (
            "SYNCD_FASTGPT__UPLOADS",
            "8.0",
            "SYNCD_FASTGPT__UPLOADS must be a whole number from 1 to 64, not the number 8.0",
        ),
        ("SYNCD_FASTGPT__UPLOADS", "9" * 5000, None),
        (
            "SYNCD_FASTGPT__BASE_URL",
            "http://h\udcff",
            "SYNCD_FASTGPT__BASE_URL must not contain blanks, backslashes or control characters",
        ),
        ("SYNCD_FASTGPT__BASE_URL", "nowhere", "SYNCD_FASTGPT__BASE_URL must begin with http:// or https://"),
        ("SYNCD_FASTGPT__CA_FILE", "no", "SYNCD_FASTGPT__CA_FILE names a file that does not exist: no"),
        ("SYNCD_LEDGER__PATH", "docs", "SYNCD_LEDGER__PATH must name a file, but is a directory: docs"),
    ],
)
def test_variables_that_are_wrong(name: str, value: str, problem: str | None, folder: Path) -> None:
    """An unknown override or a wrong value is an error that names the variable: a typing error must not be silent."""
    (found,) = _problems(folder, MINIMAL, {**ENV, name: value})
    assert found.startswith("environment: SYNCD_")
    assert problem is None or found == f"environment: {problem}"


def test_other_variables_are_left_alone(folder: Path) -> None:
    """Names without two underscores in a row have other meanings and are no overrides."""
    env = {
        **ENV,
        "SYNCD_CONFIG": "x",
        "SYNCD_CRASH_AT": "3",
        "SYNCD_LIVE_URL": "y",
        "SYNCDX__Y": "z",
        "OTHER__X": "1",
    }
    assert _load(folder, MINIMAL, env) == _load(folder, MINIMAL)


def test_the_shard_comes_from_the_environment(folder: Path) -> None:
    """Which part an instance serves is its own affair; the configuration is the same for all. A wrong one is said."""
    assert Shard(1, 3) == _load(folder, MINIMAL, {**ENV, "SYNCD_SHARD": "1/3"}).shard
    assert _load(folder, MINIMAL, {**ENV, "SYNCD_SHARD": ""}).shard is None
    (problem,) = _problems(folder, MINIMAL, {**ENV, "SYNCD_SHARD": "3/3"})
    assert problem.startswith('environment: SYNCD_SHARD must be "i/n" with i from 0 to n - 1')


# ---------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    ("pattern", "warned"),
    [
        ("**/*.md", False),
        ("*.MD", False),
        ("*", False),
        ("docs/", False),
        ("docs/**", False),
        ("*.m?", False),
        ("*.[mM][dD]", False),
        ("*.htm*", False),
        ("!*.exe", False),
        ("v1.2", False),
        ("README", False),
        ("*.", False),
        ("*.rst", False),
        ("*.exe", True),
        ("**/*.doc", True),
        ("*.{md,pdf}", True),
        ("*.md,pdf", True),
        ("src/*.py", True),
    ],
)
def test_include_patterns_that_match_nothing_readable(pattern: str, warned: bool, folder: Path) -> None:
    """An include that cannot match any format that is read is most likely a mistake, and a warning."""
    config = _load(folder, _source(f'include = [\n  "**/*.pdf",\n  "{pattern}",\n]'))
    braces = "; gitignore syntax knows no braces, write one pattern for each" if "{" in pattern else ""
    text = f'source "handbook": include pattern "{pattern}" matches no format that can be read{braces}'
    assert config.warnings == ((f"{folder}/config.toml:11: {text}",) if warned else ())


def test_a_prompt_without_effect_is_warned_about(folder: Path) -> None:
    """``qa_prompt`` does nothing in mode chunk."""
    config = _load(folder, _source('[source.training]\nqa_prompt = "x"'))
    assert config.warnings == (
        f'{folder}/config.toml:10: source "handbook" [source.training]: "qa_prompt" has no effect unless mode = "qa"',
    )


# ---------------------------------------------------------------- finding the file


def test_the_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, SYNCD_CONFIG, ./config.toml, the XDG config home, /etc/syncd; then an error that names them all."""
    system, here, home = tmp_path / "etc.toml", tmp_path / "here", tmp_path / "home"
    monkeypatch.setattr(syncd.config, "SYSTEM", system)
    here.mkdir()
    monkeypatch.chdir(here)
    env = {"HOME": str(home)}
    with pytest.raises(ConfigError) as caught:
        syncd.config.find(None, env)
    assert caught.value.problems == [
        f"no configuration found; looked at --config, SYNCD_CONFIG, ./config.toml, {home}/.config/syncd/config.toml, "
        f"{system}"
    ]
    system.write_text("")
    assert syncd.config.find(None, env) == system
    (home / ".config/syncd").mkdir(parents=True)
    (home / ".config/syncd/config.toml").write_text("")
    assert syncd.config.find(None, env) == home / ".config/syncd/config.toml"
    (tmp_path / "xdg/syncd").mkdir(parents=True)
    (tmp_path / "xdg/syncd/config.toml").write_text("")
    env["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert syncd.config.find(None, env) == tmp_path / "xdg/syncd/config.toml"
    (here / "config.toml").write_text("")
    assert syncd.config.find(None, env) == Path("config.toml")
    env["SYNCD_CONFIG"] = "stated.toml"
    assert syncd.config.find(None, env) == Path("stated.toml")
    assert syncd.config.find("explicit.toml", env) == Path("explicit.toml")


def test_load_finds_the_file_itself(folder: Path) -> None:
    """Without a path ``load`` reads the file that ``find`` gives."""
    (folder / "config.toml").write_text(MINIMAL)
    env = {**ENV, "SYNCD_CONFIG": str(folder / "config.toml")}
    assert syncd.config.load(env=env).path == folder / "config.toml"


# ---------------------------------------------------------------- lines


TRICKY = '''\
# [not.a.table]
top = """
[fake]
key = 1
quote \\""" still inside, and two at the end: """""
literal = \'\'\'
[[fake]]\'\'\'
plain = "a # no comment \\" [x]" # [comment]
"quoted.key" = 'C:\\path'
"\\u0041" = 1
dotted . "a b".c = 2
array = [
  1, # one
  [ "two",
    "three]" ],
  { four = 4, five = [
      # six
      5 ] },
]
inline = { a = 1, b.c = "}", d = [ { e = 1 } ] }
when = 1979-05-27 07:32:00

[ table . sub ]
x = 1
[[list]]
x = 1
[list.sub]
y = 2
[[list.inner]]
z = 1
[[list.inner]]
z = 2
[[list]]
[list.sub]
y = 3
[[list.inner]]
z = 3
[ "we.ird" ] # [comment]
last = true
[after]
'''

TRICKY_LINES: list[tuple[tuple[str | int, ...], int]] = [
    (("top",), 2),
    (("literal",), 6),
    (("plain",), 8),
    (("quoted.key",), 9),
    (("A",), 10),
    (("dotted", "a b", "c"), 11),
    (("array",), 12),
    (("array", 0), 13),
    (("array", 1), 14),
    (("array", 1, 1), 15),
    (("array", 2, "four"), 16),
    (("array", 2, "five"), 16),
    (("array", 2, "five", 0), 18),
    (("inline", "b", "c"), 20),
    (("inline", "d", 0, "e"), 20),
    (("when",), 21),
    (("table",), 23),
    (("table", "sub"), 23),
    (("table", "sub", "x"), 24),
    (("list", 0), 25),
    (("list", 0, "x"), 26),
    (("list", 0, "sub", "y"), 28),
    (("list", 0, "inner", 0, "z"), 30),
    (("list", 0, "inner", 1, "z"), 32),
    (("list", 1), 33),
    (("list", 1, "sub", "y"), 35),
    (("list", 1, "inner", 0, "z"), 37),
    (("we.ird", "last"), 39),
    (("after",), 40),
    (("after", "unknown"), 40),
    (("list", 1, "absent", 5), 33),
    (("nowhere",), 1),
    ((), 1),
]


def _unquoted(key: str) -> str:
    return next(iter(tomllib.loads(key + " = 0")))


@pytest.mark.parametrize(("where", "line"), TRICKY_LINES)
def test_lines_of_keys(where: tuple[str | int, ...], line: int) -> None:
    """Lines are right through strings, comments, arrays and tables of every kind; else that of the nearest around."""
    assert Lines(TRICKY, _unquoted).of(where) == line


def _places(value: Any, where: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {where} if where else set()
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found |= _places(item, (*where, key))
    return found


@pytest.mark.parametrize("text", [TRICKY, EXAMPLE.read_text(encoding="utf-8"), TRAINING_TEXT])
def test_every_place_has_a_line(text: str) -> None:
    """The scanner sees exactly the keys that the parser sees."""
    assert set(Lines(text, _unquoted).known()) - {("list",)} == _places(tomllib.loads(text)) - {("list",)}


# ---------------------------------------------------------------- the example and the starter


def _uncommented(text: str, *, without_default: bool = False) -> str:
    text = re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE)
    return re.sub(r"^#\? (?=[a-z_]+ = )", "", text, flags=re.MULTILINE) if without_default else text


def test_the_example_is_a_complete_configuration(folder: Path) -> None:
    """The example loads as it stands, and what is commented out are the defaults that the code uses."""
    _hidden(folder / "fastgpt-api-key", KEY)
    env = {"STATE_DIRECTORY": "/var/lib/syncd"}
    text = EXAMPLE.read_text(encoding="utf-8")
    config = _load(folder, text, env)
    assert config.warnings == ()
    assert config == _load(folder, _uncommented(text), env)


def test_the_example_lists_every_key(folder: Path) -> None:
    """Every key that the code knows is in the example: live, with its default, or marked as having none."""
    text = EXAMPLE.read_text(encoding="utf-8")
    listed = tomllib.loads(_uncommented(text, without_default=True))
    assert {"version", "source", *TABLES} == set(listed)
    for name, keys in TABLES.items():
        assert set(keys) == set(listed[name]), name
    (source,) = listed["source"]
    assert {*SOURCE, *SUBTABLES} == set(source)
    for name, keys in SUBTABLES.items():
        assert set(keys) == set(source[name]), name
    # A key that the code gives a default must show it: only these have none.
    without = set(re.findall(r"^#\? ([a-z_]+) = ", text, flags=re.MULTILINE))
    assert without == {"api_key", "ca_file", *SECRETS, *(f"{key}_file" for key in SECRETS), *TRAINING} - {"mode"}


def test_the_values_marked_without_default_are_allowed(folder: Path) -> None:
    """The values shown for keys without a default are correct ones."""
    _hidden(folder / "fastgpt-api-key", KEY)
    shutil.copy(CERTIFICATES, folder / "company-ca.pem")
    for file in ("http-token", "webhook-secret"):
        (folder / file).write_text("secret-word\n")
    for file in ("webhook-url", "ping-url"):
        (folder / file).write_text("https://example.org/\n")
    text = _uncommented(EXAMPLE.read_text(encoding="utf-8"), without_default=True)
    config = _load(folder, text)
    assert len(config.sources[0].training.options) == len(TRAINING)
    assert [
        warning for warning in config.warnings if "qa_prompt" not in warning and "others can read" not in warning
    ] == []


def test_every_field_can_be_configured() -> None:
    """The tables of keys and the classes of values agree."""
    made = {"api_key_origin", "api_key_file"}
    assert set(TABLES["fastgpt"]) - {"api_key_file"} == {f.name for f in dataclasses.fields(FastGPT)} - made
    assert set(TABLES["ledger"]) == {f.name for f in dataclasses.fields(LedgerConfig)}
    assert set(TABLES["schedule"]) == {f.name for f in dataclasses.fields(Schedule)}
    files = {f"{key}_file" for key in SECRETS}
    assert set(TABLES["service"]) == {f.name for f in dataclasses.fields(Service)}
    assert set(TABLES["http"]) - files == {f.name for f in dataclasses.fields(Http)}
    assert set(TABLES["notify"]) - files == {f.name for f in dataclasses.fields(Notify)}
    assert {*SOURCE, *SUBTABLES} == {f.name for f in dataclasses.fields(Source)}
    assert set(SUBTABLES["verify"]) == {f.name for f in dataclasses.fields(VerifyPolicy)}
    assert set(SUBTABLES["delete"]) == {f.name for f in dataclasses.fields(DeletePolicy)}


def test_the_starter_is_valid_but_for_the_key(folder: Path) -> None:
    """What ``init`` writes needs only the key's file; the id of the deployment is filled in."""
    assert _problems(folder, STARTER) == [
        'config.toml:8: [fastgpt]: "api_key_file" names a file that does not exist in .; put it there, alone '
        "on one line"
    ]
    _hidden(folder / "fastgpt-api-key", KEY)
    config = _load(folder, starter("5f0c6a1e"))
    assert (config.ledger.space, config.warnings) == ("5f0c6a1e", ())
    assert _load(folder, STARTER).ledger.space == ""


# ---------------------------------------------------------------- fuzz


FUZZ = settings(
    max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = [
    "version = 1", "[fastgpt]", "[[source]]", "[source]", "[source.training]", "[[source.verify]]", "[http]", "=",
    "\n", " ", "name", "path", "dataset", "base_url", ".", '"', '"""', "'''", "[", "]", "{", "}", ",", "#", "1", "-5",
    "nan", "true", "1979-05-27", '"30s"', '"http://h"', '"../.."', '"\\u0000"', "\\", "\t", "\r\n", "文", "\ufeff",
    "api_key_file", "api_key", "timeout", "scan", '"* * * * *"', "inf", "0x10", '"~"', "include", '["*.md"]',
    "[1, [2]]", "{a = 1}",
]  # fmt: skip


def _only_config_errors(folder: Path, data: bytes, env: Mapping[str, str] = ENV) -> None:
    path = folder / "config.toml"
    path.write_bytes(data)
    try:
        config = syncd.config.load(path, env=env)
    except ConfigError as error:
        places = rf"{re.escape(str(path))}:[1-9][0-9]*: \S|environment: SYNCD_"
        assert error.problems
        assert all(re.match(places, problem) and "\n" not in problem for problem in error.problems), error.problems
    else:
        assert config.sources


@FUZZ
@given(words=st.lists(st.sampled_from(WORDS), max_size=40))
def test_fuzz_words(words: list[str], folder: Path) -> None:
    """No arrangement of words that look like TOML raises anything but a ConfigError with places."""
    _only_config_errors(folder, " ".join(words).encode())


@FUZZ
@given(edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 30), st.sampled_from([*WORDS, ""])), max_size=4))
def test_fuzz_the_example(edits: list[tuple[int, int, str]], folder: Path) -> None:
    """No mutation of the example raises anything but a ConfigError with places."""
    _hidden(folder / "fastgpt-api-key", KEY)
    text = re.sub(r"^#.*\n", "", _uncommented(EXAMPLE.read_text(encoding="utf-8")), flags=re.MULTILINE)
    for start, length, word in edits:
        start %= len(text) + 1
        text = text[:start] + word + text[start + length :]
    _only_config_errors(folder, text.encode())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1h", "5%", "x.y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    *((name, key) for name, keys in TABLES.items() for key in keys),
    *(("[source]", key) for key in (*SOURCE, *SUBTABLES)),
    *((f"source.{name}", key) for name, keys in SUBTABLES.items() for key in keys),
]


def _toml(value: Any) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if not c.isalnum() else c for c in value) + '"'
    return "1979-05-27" if value is None else repr(value)


@FUZZ
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_fuzz_values(place: tuple[str, str], value: Any, folder: Path) -> None:
    """No value of any type, under any key, raises anything but a ConfigError that names the line of the key."""
    table, key = place
    lines = [
        line for line in MINIMAL.splitlines() if not line.startswith(f"{key} =") or table not in ("fastgpt", "[source]")
    ]
    if f"[{table}]" not in lines:
        lines.append(f"[{table}]")
    lines.insert(lines.index(f"[{table}]") + 1, f"{key} = {_toml(value)}")
    _only_config_errors(folder, "\n".join(lines).encode("utf-8", "surrogatepass"))


# What a variable can hold: any text without a null, and bytes that are no text, as os.environ shows them.
VARIABLE_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)


@FUZZ
@given(
    name=st.sampled_from([f"SYNCD_{table}__{key}".upper() for table, key in PLACES]),
    value=st.text(VARIABLE_CHARACTERS, max_size=20),
)
def test_fuzz_environment(name: str, value: str, folder: Path) -> None:
    """No variable raises anything but a ConfigError."""
    _only_config_errors(folder, MINIMAL.encode(), {**ENV, name: value})
