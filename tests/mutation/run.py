"""Mutation testing of the planner and the firewall: `python tests/mutation/run.py`.

Each mutant runs the tests of ``tests/plan`` in a process of its own, forked from one that has everything imported, with
the changed module in place of the real one; no file is touched. A mutant that no test notices must be listed in
``equivalent.toml`` with the reason why nobody could notice it. Exits 1 when one survives unexplained, or when the list
names one that does not exist or is killed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType

sys.dont_write_bytecode = True
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(HERE)]

from mutants import Mutant, mutants  # noqa: E402 - the path above comes first

TARGETS = ("plan", "policy", "pairing", "firewall", "succession", "due")
AT_ONCE = 2
PATIENCE = 60  # seconds; a mutant that loops for ever is noticed, too
# The tables that are about a module come first: most of its mutants die there.
FIRST = {
    "plan": "test_source",
    "policy": "test_decide",
    "pairing": "test_moves",
    "firewall": "test_firewall",
    "succession": "test_succession",
    "due": "test_due",
}
LAST = ("test_releases", "test_properties", "test_firewall_sources")
CASES = "150"
# No configuration and no fixtures from above: a mutant's tests need the planner and nothing else.
OPTIONS = (
    "-x",
    "-q",
    "--assert=plain",
    "--confcutdir=tests/plan",
    f"--rootdir={ROOT}",
    *("-c", os.devnull),
    *("-p", "no:cacheprovider"),
    *("-p", "no:warnings"),
    *("-k", "not real_folder"),
)


def _fork(mutant: Mutant, tests: list[str]) -> int:
    """Start the tests over one mutant; returns the process."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        signal.alarm(PATIENCE)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        _install(f"syncd.{_module(mutant)}", mutant.source)
        import pytest

        code = 0
        for test in tests:  # file by file, so that a mutant that dies early costs little
            code = code or int(pytest.main([*OPTIONS, test]))
    except BaseException:  # a mutant may break anything
        code = 98
    os._exit(code)


def _module(mutant: Mutant) -> str:
    return mutant.name.split(":", 1)[0].split(".", 1)[0]


def _install(name: str, source: str) -> None:
    """Put a changed module in the place of the real one, before anything imports it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    package, _, attribute = name.rpartition(".")
    setattr(sys.modules[package], attribute, module)
    exec(compile(source, f"<mutant of {name}>", "exec"), module.__dict__)  # noqa: S102 - it is our own source


def _tests(module: str) -> list[str]:
    names = sorted(path.stem for path in (ROOT / "tests" / "plan").glob("test_*.py"))
    names.sort(key=lambda name: (name in LAST, LAST.index(name) if name in LAST else 0, name != FIRST[module]))
    return [str(ROOT / "tests" / "plan" / f"{name}.py") for name in names]


def _run(work: list[Mutant], *, tell: bool = True) -> dict[str, bool]:
    """Mutant's name to whether a test noticed it."""
    killed: dict[str, bool] = {}
    running: dict[int, Mutant] = {}
    queue = iter(work)
    done = False
    while running or not done:
        while len(running) < AT_ONCE and not done:
            mutant = next(queue, None)
            if mutant is None:
                done = True
            else:
                running[_fork(mutant, _tests(_module(mutant)))] = mutant
        if running:
            child, status = os.wait()
            mutant = running.pop(child)
            killed[mutant.name] = status != 0
            if status == 0 and tell:
                print(f"survived  {mutant.name}  (line {mutant.line})", file=sys.stderr, flush=True)
    return killed


def main(arguments: list[str]) -> int:
    """Run all mutants, or those whose names contain one of the arguments; print one line of JSON."""
    began = time.monotonic()
    os.environ.setdefault("SYNCD_PLAN_CASES", CASES)
    # Imported once, shared by every fork; nothing in here knows the modules under test.
    import hypothesis
    import pytest

    del hypothesis, pytest
    everything = [
        mutant for name in TARGETS for mutant in mutants(name, (ROOT / "syncd" / f"{name}.py").read_text("utf-8"))
    ]
    equivalent = {
        row["mutant"]: row["reason"]
        for row in tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).get("equivalent", [])
    }
    chosen = [m for m in everything if not arguments or any(a in m.name for a in arguments)]
    whole = Mutant("plan: unchanged", 0, (ROOT / "syncd" / "plan.py").read_text("utf-8"))
    if _run([whole], tell=False)[whole.name]:
        print("the tests fail without any mutant: nothing could be learned from them", file=sys.stderr)
        return 2
    killed = _run(chosen)
    survived = [name for name, dead in killed.items() if not dead]
    unexplained = [name for name in survived if name not in equivalent]
    wrong = [name for name in equivalent if name not in {m.name for m in everything} or killed.get(name)]
    for name in wrong:
        print(f"listed as equivalent, but {'killed' if killed.get(name) else 'unknown'}: {name}", file=sys.stderr)
    summary = {
        "mutants": len(killed),
        "killed": len(killed) - len(survived),
        "equivalent": len(survived) - len(unexplained),
        "unexplained": unexplained,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(summary, ensure_ascii=False))
    return 1 if unexplained or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
