"""The servers the contract is checked against.

Always the emulator in its three dialects; a real server too when ``SYNCD_LIVE_URL`` (ending in /api) and
``SYNCD_LIVE_KEY`` are set. ``SYNCD_LIVE_COMPAT`` says which dialect it speaks (4.14 if unset).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from contract_target import Target, start_emulator, stop_emulator

DIALECTS = ("4.12", "4.14", "4.16")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "dialects(*names): the fact holds in these dialects only")
    config.addinivalue_line("markers", "emulator_only: needs something a real server's operator would have to set up")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("dialects")
    wanted = marker.args if marker else DIALECTS
    names = [name for name in DIALECTS if name in wanted]
    live = os.environ.get("SYNCD_LIVE_URL") and os.environ.get("SYNCD_LIVE_KEY")
    compat = os.environ.get("SYNCD_LIVE_COMPAT", "4.14")
    if live and compat in wanted and not metafunc.definition.get_closest_marker("emulator_only"):
        names.append("live")
    metafunc.parametrize("target", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """One running server."""
    name: str = request.param
    if name == "live":
        compat = os.environ.get("SYNCD_LIVE_COMPAT", "4.14")
        server = Target(name, compat, os.environ["SYNCD_LIVE_URL"].rstrip("/"), os.environ["SYNCD_LIVE_KEY"])
        yield server
        server.close()
        return
    limits = ["--max-upload-bytes", str(12 * 1024 * 1024)]
    process, greeting = start_emulator(
        "--compat", name, "--training-seconds", "0.02", "--chunk-seconds", "0.002", *limits
    )
    server = Target(name, name, greeting["base_url"], greeting["global_key"], greeting["app_key"], greeting["app_id"])
    yield server
    server.close()
    assert stop_emulator(process) == 0


@pytest.fixture(scope="module")
def _datasets() -> dict[str, str]:
    return {}


@pytest.fixture
def dataset(target: Target, _datasets: dict[str, str], request: pytest.FixtureRequest) -> str:
    """One dataset for all tests of a module."""
    key = f"{request.module.__name__} {target.base_url}"  # a server may be started more than once
    if key not in _datasets:
        _datasets[key] = target.dataset()
    return _datasets[key]
