"""Files of a source are opened through one door: nothing else in the product opens files without a stated reason.

The code is read, not run: each call that opens a file, reads a directory or takes a path to do so is listed by module,
and compared with the list of those that have a reason. A new one fails here, and so does a reason nobody needs any
more.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PRODUCT = Path(__file__).resolve().parent.parent / "syncd"

OPENERS = {
    "open", "io.open", "io.open_code", "io.FileIO", "codecs.open", "tokenize.open", "os.open", "os.fdopen", "os.popen",
    "os.scandir", "os.listdir", "os.walk", "os.fwalk", "os.readlink", "os.sendfile", "os.link", "os.truncate",
    "mmap.mmap", "zipfile.ZipFile", "zipfile.is_zipfile", "tarfile.open", "gzip.open", "bz2.open", "lzma.open",
    "pypdf.PdfReader", "fileinput.input", "linecache.getline", "sqlite3.connect", "runpy.run_path",
    "configparser.ConfigParser.read", "ElementTree.parse", "shutil.copy", "shutil.copy2", "shutil.copyfile",
    "shutil.copytree", "shutil.move", "subprocess.Popen", "subprocess.run",
}  # fmt: skip
METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob", "glob", "open"}
"""Of a ``Path``; whatever has such a method is taken for one."""

DOOR = "the door itself"
BY_DESCRIPTOR = "directories by descriptor, never through a link; no file is opened"
GIVEN = "reads what was opened through the door"
OWN = "a file of ours: configuration, ledger, lock, log, template"
OPERATOR = "a file that the operator names on the command line"
KERNEL = "a file of the kernel, or the device of nothing"
PROGRAM = "a process of our own"

ALLOWED: dict[str, dict[str, str]] = {
    "door": {"os.open": DOOR, "os.fdopen": DOOR},
    "scan": {"os.open": BY_DESCRIPTOR},
    "listing": {"os.scandir": BY_DESCRIPTOR, "os.readlink": BY_DESCRIPTOR},
    "inotify": {"os.open": KERNEL, "os.scandir": BY_DESCRIPTOR},
    "observe": {"os.scandir": "whether the root holds anything at all"},
    "roots": {"os.readlink": "the way to the root, which the operator names"},
    "packing": {"zipfile.ZipFile": GIVEN},
    "convert": {"zipfile.is_zipfile": GIVEN},
    "extract": {"pypdf.PdfReader": GIVEN, "zipfile.ZipFile": GIVEN, ".open": "an entry of an archive"},
    "reader.jobs": {"os.fdopen": GIVEN},
    "reader.child": {"open": KERNEL},
    "reader.pool": {"subprocess.Popen": PROGRAM},
    "bundle": {"os.open": OPERATOR, "os.fdopen": OPERATOR, "zipfile.ZipFile": OPERATOR},
    "checkup": {".read_text": KERNEL},
    "commands.init": {"os.open": OWN, "os.fdopen": OWN},
    "commands.plan": {"open": OPERATOR},
    "commands.sync": {"open": KERNEL},
    "commands.verify": {"open": OPERATOR},
    "config.__init__": {".open": OWN},
    "config.apikey": {".open": OWN},
    "config.redacting": {".open": OWN, "os.open": OWN, "open": OWN},
    "config.kept": {".read_bytes": OWN},
    "demo_world": {".open": "an address on the web", ".write_bytes": OWN, ".write_text": OWN},
    "filesystems": {".read_bytes": KERNEL},
    "healthcheck": {"open": OWN, "sqlite3.connect": OWN},
    "ledger.opening": {".open": OWN, "shutil.copyfile": OWN},
    "ledger.schema": {"sqlite3.connect": OWN},
    "ledger.soundness": {"sqlite3.connect": OWN},
    "ledger.store": {"os.open": OWN, "sqlite3.connect": OWN},
    "ledger.trouble": {"sqlite3.connect": OWN},
    "ledger.upkeep": {".glob": OWN},
    "limits": {".read_text": KERNEL, "os.open": KERNEL},
    "live": {".open": "the terminal's display"},
    "outlet": {"os.open": KERNEL},
    "scaffolding": {".iterdir": OWN, ".read_text": OWN, ".rglob": OWN, ".write_text": OWN},
    "web.app": {".read_bytes": OWN},
}


def imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def calls(tree: ast.Module) -> set[str]:
    """Every name by which the module opens something, as written after its imports are followed."""
    known = imports(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            name = dotted(node, known)
            if name in OPENERS:
                found.add(name)
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in METHODS and dotted(called, known) not in OPENERS:
            found.add("." + called.attr)
        if isinstance(node, ast.Constant) and node.value == "builtins.open":
            found.add("open")
    return found


def dotted(node: ast.expr, known: dict[str, str]) -> str:
    """The full name of what is meant; "" when it is no name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        begin = dotted(node.value, known)
        return f"{begin}.{node.attr}" if begin else ""
    return ""


def opened() -> dict[str, set[str]]:
    """For each module of the product, what it opens files by; the emulator is a program of its own."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(PRODUCT.rglob("*.py")):
        module = ".".join(path.relative_to(PRODUCT).with_suffix("").parts)
        if not module.startswith("emulator"):
            found[module] |= calls(ast.parse(path.read_text(encoding="utf-8")))
    return {module: names for module, names in found.items() if names}


def test_only_those_with_a_reason_open_files() -> None:
    """What opens files is listed with its reason, and the list holds nothing else."""
    listed = {module: set(reasons) for module, reasons in ALLOWED.items()}
    actual = opened()
    new = {module: names - listed.get(module, set()) for module, names in actual.items()}
    old = {module: names - actual.get(module, set()) for module, names in listed.items()}
    assert {} == {module: names for module, names in new.items() if names}, "read files of a source through syncd.door"
    assert {} == {module: names for module, names in old.items() if names}, "nobody needs these reasons any more"


BLOCKING = (
    *("syncd.door.", "syncd.convert.prepare", "syncd.convert.extract_text", "syncd.convert.foresee"),
    *("syncd.snapshot.complete", "syncd.snapshot.restat", "syncd.scan.", "syncd.presence.", "syncd.ignorefile."),
    *("syncd.stream.survey", "syncd.outdated.choose", "syncd.outdated.of_source", "syncd.foreseeing."),
)
"""What reads files of a source, or looks at them, and so waits for a disk that hangs."""


def blocking(tree: ast.Module) -> set[str]:
    """What is called on the event loop of what reads files: in a coroutine, and not in a function inside it."""
    known = imports(tree)
    found: set[str] = set()
    pending: list[ast.AST] = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    while pending:
        for node in ast.iter_child_nodes(pending.pop()):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                continue
            if isinstance(node, ast.Call) and dotted(node.func, known).startswith(BLOCKING):
                found.add(dotted(node.func, known))
            pending.append(node)
    return found - {"syncd.door.FileAt"}


def test_no_coroutine_waits_for_the_disk_of_a_source() -> None:
    """Whatever reads files of a source is handed to a thread; only its name stands in a coroutine."""
    trees = {str(path): ast.parse(path.read_text(encoding="utf-8")) for path in PRODUCT.rglob("*.py")}
    assert {} == {name: found for name, tree in trees.items() if (found := blocking(tree))}


def test_the_reading_of_coroutines_sees() -> None:
    """A call in a coroutine is found, one in a function inside it or a name that is handed on is not."""
    begin = "from syncd import door\nfrom syncd.scan import scan as look\n"
    for body, found in [
        ("door.read(at, 1)", {"syncd.door.read"}),
        ("x = [look(a) for a in b]", {"syncd.scan.scan"}),
        ("await run(door.read, at, 1)", set()),
        ("f = lambda: door.read(at, 1)", set()),
    ]:
        assert found == blocking(ast.parse(f"{begin}async def go():\n    {body}\n")), body


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('a')", {"open"}),
        ("import os as o\no.open('a', 0)", {"os.open"}),
        ("from os import open as way\nway('a', 0)", {"os.open"}),
        ("from pathlib import Path\nPath('a').read_text()", {".read_text"}),
        ("x.y.open('rb')", {".open"}),
        ("import functools\nfunctools.partial(open, 'a')", {"open"}),
        ("from zipfile import ZipFile\nZipFile(x)", {"zipfile.ZipFile"}),
        ("import os\nos.path.join('a')", set()),
        ("display.opened", set()),
    ],
)
def test_the_reading_of_code_sees(code: str, found: set[str]) -> None:
    """By whatever name it was imported, called or handed on."""
    assert found == calls(ast.parse(code))
