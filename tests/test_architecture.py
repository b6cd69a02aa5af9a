"""The shape of the code: packages in order, no cycle, short modules, few loose ones, tests that mirror the tree."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "backtest"
# The only modules outside a package, besides __main__. All that writes stands above ``durable``.
LOOSE = ["errors", "assets", "durable", "toml", "times", "formatting", "masking"]
# Every package may import those before it. __init__ and __main__ are the doors.
ORDER = [
    *LOOSE,
    *("schema", "mechanics", "scenario", "venue", "catalogue", "sql", "lake", "fetch", "market", "book", "engine"),
    *("run", "studies", "calculator", "report", "api", "cli", "__main__", "__init__"),
]
LONGEST = 350
ABOUT_THE_PROJECT = {"digests", "mutants", "bench", "golden", "reference", "server", "support"}
Imports = dict[str, set[str]]
# Calls that change files; outside ``durable`` each needs a reason. Modules of the system change them by most of theirs.
READING = {
    "os": {
        *("fspath", "fsencode", "strerror", "getpid", "walk", "kill", "dup2", "close", "_exit", "cpu_count", "getenv"),
        *(
            "dup",
            "sched_getaffinity",
            "nice",
            "fork",
            "pipe",
            "read",
            "waitpid",
            "sysconf",
            "WIFSIGNALED",
            "WTERMSIG",
            "WEXITSTATUS",
            "fstat",
            "fdopen",
        ),
    },
    "shutil": {"get_terminal_size"},
    "tempfile": set[str](),
}
CHANGES = {
    *("open", "write_text", "write_bytes", "touch", "unlink", "rename", "replace", "mkdir", "rmdir", "chmod"),
    *(
        "symlink_to",
        "hardlink_to",
        "write_parquet",
        "write_csv",
        "write_ipc",
        "write_table",
        "sink_parquet",
        "sink_csv",
    ),
    *("ParquetWriter", "to_parquet", "to_csv", "OSFile", "savefig"),
}
ALLOWED = {
    "book.actual.write: write_table": "into memory",
    "assets: open": "a regular file, for reading, without following a link",
    "cli.messages: open": "the null device, in place of a stream that nobody reads",
    "cli.output: write_csv": "into memory",
    "cli.interrupt: write": "the last line, on stderr",
    "cli.supervise: write": "the pipe to the parent, and the last line on stderr",
    "cli.report: open": "the web browser",
    "fetch.archives.packed: open": "a member of an archive, to be read",
    "cli.output: write_parquet": "into memory",
    "cli.export: write_parquet": "into memory",
    "cli.replay: utime": "the time of a run that is there, so that it is the latest",
    "fetch.hyperliquid.node_fills: TemporaryDirectory": "spills, gone when the import ends",
    "fetch.hyperliquid.node_fills: OSFile": "a file to be read",
    "fetch.hyperliquid.node_fills: open": "the lock of a folder, opened for reading",
    "fetch.hyperliquid.node_fills: write_parquet": "into the spills",
    "fetch.hyperliquid.snapshot: TemporaryDirectory": "spills, gone when the import ends",
    "fetch.hyperliquid.snapshot: write_parquet": "into the spills, and into a draft of the book",
    "fetch.reservoir.pull: write_table": "into memory",
    "fetch.rest.opening: open": "the connections of a client",
    "lake.write: write_table": "into memory",
    "report.figures.drawing: savefig": "into memory",
    "run.folder: write_table": "into a file of a draft",
    "studies.sweep.table: write_parquet": "into memory",
}


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Return the modules of a package by dotted name, a package by the name of its folder."""
    top = package.parent
    return {
        ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(package.rglob("*.py"))
        if "_assets" not in path.parts
    }


@cache
def parsed(path: Path) -> ast.Module:
    """Return the tree of a module, read once for all tests."""
    return ast.parse(path.read_text("utf-8"))


def imports(package: Path = PACKAGE) -> Imports:
    """Return what each module imports of its own package, inside functions and for types too."""
    known = modules(package)
    out: Imports = {}
    for name, path in known.items():
        found: set[str] = set()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {full if (full := f"{node.module}.{alias.name}") in known else node.module
                          for alias in node.names}  # fmt: skip
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        out[name] = {each for each in found if each in known and each not in {name, package.name}}
    return out


def upward(graph: Imports) -> list[str]:
    """Return the imports that do not point to a package further down."""
    place = {name: at for at, name in enumerate(ORDER)}

    def of(module: str) -> str:
        return module.split(".")[1] if "." in module else "__init__"

    return [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in sorted(others)
        if of(other) != of(module) and place[of(other)] >= place[of(module)]
    ]


def cycles(graph: Imports) -> list[list[str]]:
    """Return the groups of modules that import one another, by taking away what imports nothing that is left."""
    left = {module: set(others) for module, others in graph.items()}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    while free := [module for module in left if not any(module in others for others in left.values())]:
        for module in free:
            del left[module]
    return [sorted(left)] if left else []


def writes(package: Path = PACKAGE) -> set[str]:
    """Return the calls that change files as ``module: name``, the module that may do so left out."""
    return {
        f"{name.partition('.')[2]}: {called}"
        for name, path in modules(package).items()
        if name != "backtest.durable"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and (called := _changing(node))
    }


def _changing(call: ast.Call) -> str:
    """Return the name of a call that may change files, else nothing: texts and times have verbs of the same names."""
    of, name = "", ""
    if isinstance(call.func, ast.Attribute):
        of, name = call.func.value.id if isinstance(call.func.value, ast.Name) else "", call.func.attr
    elif isinstance(call.func, ast.Name):
        name = call.func.id
    if of in READING:
        return "" if name in READING[of] else name
    reads = name == "open" and any(isinstance(arg, ast.Constant) and arg.value == "rb" for arg in call.args)
    of_a_text = name == "replace" and (len(call.args) != 1 or bool(call.keywords))
    return name if name in CHANGES and not reads and not of_a_text else ""


def test_imports_point_down_only_and_no_module_imports_itself_by_a_detour() -> None:
    graph = imports()
    assert upward(graph) == []
    assert cycles(graph) == []


def test_modules_are_read_in_one_sitting() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_only_the_named_modules_are_loose() -> None:
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    assert loose <= {*LOOSE, "__init__", "__main__"}
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} <= set(ORDER)


def test_every_package_says_what_it_is_for() -> None:
    silent = []
    for path in PACKAGE.rglob("__init__.py"):
        tree = parsed(path)
        names = [target.id for node in tree.body if isinstance(node, ast.Assign)
                 for target in node.targets if isinstance(target, ast.Name)]  # fmt: skip
        if len(ast.get_docstring(tree) or "") < 60 or "__all__" not in names:
            silent.append(path.relative_to(ROOT).as_posix())
    assert silent == []


def test_every_package_names_its_modules() -> None:
    unnamed = []
    for path in PACKAGE.rglob("__init__.py"):
        public = next(ast.literal_eval(node.value) for node in parsed(path).body
                      if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")  # fmt: skip
        inside = {file.stem for file in path.parent.glob("*.py")} | {
            file.parent.name for file in path.parent.glob("*/__init__.py")
        }
        unnamed += [
            (path.parent.name, name) for name in sorted(inside - {"__init__", *public}) if path.parent != PACKAGE
        ]
    assert unnamed == []


def test_tests_mirror_the_package() -> None:
    tests = ROOT / "tests"
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders = {path.relative_to(tests).parts[0] for path in tests.rglob("*.py") if path.parent != tests}
    assert folders <= packages | ABOUT_THE_PROJECT
    assert {path.name for path in tests.glob("test_*.py")} <= {
        "test_architecture.py", "test_project.py", "test_documents.py", "test_typing.py",
    }  # fmt: skip


def test_files_are_written_in_one_module() -> None:
    assert writes() == set(ALLOWED)


def test_the_checks_see_what_they_are_for(tmp_path: Path) -> None:
    package = tmp_path / "backtest"
    for name, text in {
        "errors.py": "def f():\n    from backtest.cli import main\n",
        "cli/__init__.py": "from backtest.cli import main\n",
        "cli/main.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from backtest.cli import other\n",
        "cli/other.py": "def f():\n    from backtest.cli import main\n",
        "cli/writer.py": "import os\nopen('a', 'w')\nos.replace('a', 'b')\np.open('rb')\ntempfile.mkstemp()\n",
        "__init__.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert writes(package) == {"cli.writer: open", "cli.writer: replace", "cli.writer: mkstemp"}
    graph = imports(package)
    assert upward(graph) == ["backtest.errors imports backtest.cli.main"]
    assert cycles(graph) == [["backtest.cli.main", "backtest.cli.other"]]


# Calls that make a path of a name; outside ``assets`` each needs a reason. Everything else asks ``assets.inside``.
JOINING = {"joinpath", "with_name", "with_stem", "with_suffix", "join", "Path", "PurePath", "PurePosixPath"}
OWN_PATHS = {
    "api.sweep: Path": "a file or folder that the caller names",
    "studies.sweep.place: Path": "the folder that the user names",
    "studies.sweep.plan: Path": "the priors that a sweep names",
    "studies.sweep.plan: /": "the priors that a sweep names, beside its file",
    "studies.sweep.row: Path": "the book that a scenario names",
    "api.replay: Path": "a file of priors that the user names",
    "api.compare: Path": "a file of priors that the user names",
    "api.fund: Path": "a file of priors that the user names",
    "api.watch: Path": "files of priors and positions that the user names",
    "api.plot: Path": "a place that the user names",
    "api.run: Path": "a place that the user names",
    "cli.book_roll: Path": "a snapshot that the user names",
    "cli.supervise: Path": "the number of a process",
    "durable: with_name": "the hidden name beside a path",
    "fetch.archives.files: /": "a name that the walk of the user's archive lists",
    "fetch.archives.files: Path": "a place that the user names",
    "fetch.archives.files: PurePosixPath": "parts of a name",
    "fetch.archives.files: with_name": "the name beside a path",
    "fetch.archives.packed: with_name": "shown, not opened",
    "fetch.hyperliquid.node_fills: Path": "a folder of the system for temporary files",
    "fetch.hyperliquid.snapshot: Path": "a folder of the system for temporary files",
    "fetch.reservoir.place: Path": "a folder that the user names",
    "fetch.reservoir.plan: PurePosixPath": "parts of a key",
    "fetch.reservoir.pull: PurePosixPath": "parts of a key",
    "run.actual_book: Path": "a book that the user names",
    "run.folder: Path": "a place that the user names",
    "run.prepare: Path": "a place that the user names",
    "run.identity: Path": "the program",
    "run.user_policy: Path": "a file that the user names",
    "sql.tables: Path": "a path made text for the database",
}


def paths(package: Path = PACKAGE) -> set[str]:
    """Return where names become parts of paths as ``module: call``, the module that may do so left out."""
    return {
        f"{name.partition('.')[2]}: {joined}"
        for name, path in modules(package).items()
        if name != "backtest.assets"
        for nodes in [[*ast.walk(parsed(path))]]
        for known in [_path_names(nodes)]
        for node in nodes
        if (joined := _joined(node, known))
    }


def _path_names(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names of a module that hold paths: by annotation, or assigned from what is one."""
    typed = {
        node.arg if isinstance(node, ast.arg) else node.target.id
        for node in nodes
        if isinstance(node, ast.arg) or (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name))
        if node.annotation is not None and "Path" in ast.unparse(node.annotation).replace("MarketPath", "")
    }
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    known: set[str] = set()
    while (more := typed | {
        target.id for node in assigned if _is_path(node.value, typed)
        for target in node.targets if isinstance(target, ast.Name)
    }) != known:  # fmt: skip
        known = typed = more
    return known


def _is_path(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _is_path(node.left, known)
    if isinstance(node, ast.Name):
        return node.id in known
    if isinstance(node, ast.Attribute):
        return node.attr in {"path", "folder", "parent"} or node.attr in known
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in {"Path", "asset", "workspace", "inside"} or node.func.id.endswith(("_folder", "_root"))
    return isinstance(node.func, ast.Attribute) and node.func.attr in {
        *("cwd", "resolve", "absolute", "expanduser", "joinpath", "with_name", "with_suffix", "with_stem"),
    }


def _joined(node: ast.AST, known: set[str]) -> str:
    """Return the call, or ``/``, that puts a name which is not written in the code into a path, else nothing."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        text = isinstance(node.right, ast.JoinedStr)
        return "/" if (text or _is_path(node.left, known)) and not _is_constant(node.right) else ""
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in JOINING or (name == "join" and "path" not in ast.unparse(node.func)):
        return ""
    return "" if all(map(_is_constant, node.args)) else name


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return all(_is_constant(part.value) for part in node.values if isinstance(part, ast.FormattedValue))
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def test_a_name_becomes_a_path_in_one_function() -> None:
    assert {each for each in paths() if not each.startswith("report.figures.")} == set(OWN_PATHS)


def test_the_check_of_paths_sees_what_it_is_for(tmp_path: Path) -> None:
    package = tmp_path / "backtest"
    package.mkdir()
    for name, line in {
        "one": "Path(run.name)",
        "two": "os.path.join(folder, run.name)",
        "three": "reports_folder() / run.id",
        "four": "folder / f'{run.id}.html'",
        "five": "place / run.id",
        "six": "[folder / 'log', folder / META, share / run.size, ', '.join(run.names)]",
    }.items():
        text = f"def write(run, folder: Path, share):\n    place = folder.resolve()\n    return {line}\n"
        (package / f"{name}.py").write_text(text)
    assert paths(package) == {"one: Path", "two: join", "three: /", "four: /", "five: /"}
