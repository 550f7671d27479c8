"""The lock files hold what pyproject.toml asks for: exact versions, each file by its hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent
LOCKS = ("requirements.lock", ".ci/build.lock", ".ci/dev.lock")
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    ".ci/build.lock": PROJECT["build-system"]["requires"],
    ".ci/dev.lock": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["build-system"]["requires"],
        *(one for extra in ("test", "browser", "dev") for one in EXTRAS[extra] if not one.startswith("syncd[")),
    ],
}


def _locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Each package's version and hashes."""
    text = (TOP / name).read_text(encoding="utf-8")
    entries = re.findall(r"^([a-z0-9.-]+)==(\S+)[^\n]*\\\n((?:    --hash=[^\n]*\n)+)", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^#\s]", text, re.MULTILINE)), "a line is no package with hashes"
    return {package: (version, re.findall(r"--hash=(\S+)", hashes)) for package, version, hashes in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_has_a_hash(lock: str) -> None:
    """What is installed is a file that somebody has looked at, not whatever an index gives under a name."""
    for package, (_, hashes) in _locked(lock).items():
        assert hashes, package
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), package


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_asked_for_is_locked(lock: str) -> None:
    """A dependency that pyproject.toml names is locked at a version that it admits (else: run .ci/lock)."""
    locked = _locked(lock)
    for asked in map(Requirement, ASKED[lock]):
        name = canonicalize_name(asked.name)
        assert name in locked, f"{lock} lacks {name}"
        assert asked.specifier.contains(locked[name][0]), f"{lock}: {name} {locked[name][0]} is not {asked.specifier}"


def test_the_locks_agree() -> None:
    """What is tested is what the image runs."""
    tested = {package: version for package, (version, _) in _locked(".ci/dev.lock").items()}
    for lock in ("requirements.lock", ".ci/build.lock"):
        for package, (version, _) in _locked(lock).items():
            assert version == tested[package], package
