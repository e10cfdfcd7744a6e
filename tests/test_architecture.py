"""Data flows one way, and so do imports; a light command stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import lingualign
from lingualign.cli import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(lingualign.__file__).parent

FLOW = (
    "_version",
    "environment",
    "faces",
    "errors",
    "constraints",
    "answers",
    "store",
    "hub",
    "languages",
    "progress",
    "samples",
    "vectors",
    "pairs",
    "embedding",
    "neighbours",
    "teacher",
    "losses",
    "student",
    "evaluation",
    "report",
    "mining",
    "training",
    "cli",
    "__main__",
)
"""Stations in the order of the flow: each imports only from those before it."""

HEAVY = {"torch", "transformers", "sentence_transformers", "datasets", "numpy", "pyarrow", "rich"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")

NAMES = [
    ".".join(("lingualign", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in MODULES
]


def station(module: str) -> str | None:
    """Name the station of a module of ours: ``lingualign.pairs.table`` is of ``pairs``; others have none."""
    parts = module.split(".")
    return parts[1] if parts[0] == "lingualign" and len(parts) > 1 else None


def imports(path: Path) -> Iterator[str]:
    """Name each module that a file imports, wherever in it, those for type checkers only as well."""
    inside = ".".join(("lingualign", *path.relative_to(PACKAGE).with_suffix("").parts))
    package = inside.removesuffix(".__init__") if path.name == "__init__.py" else inside.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            # `from lingualign import pairs` names a station in what it takes.
            yield from (
                (f"{module}.{name.name}" for name in node.names) if module == "lingualign" else [module]
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_station_imports_only_from_those_before_it(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert own in FLOW, f"say in FLOW where {own} stands"
    earlier = FLOW[: FLOW.index(own) + 1]
    taken = {station(module) for module in imports(path)} - {None, "__version__"}
    if path.name == "__init__.py":
        taken -= {"report"}  # A face also has, imported on first use, what shows its station's things.
    assert taken <= set(earlier), f"{own} imports from {sorted(taken - set(earlier))}, which stand after it"


def homes(path: Path) -> Iterator[str]:
    """Name each module of ours that a file takes something from; what a face shows comes from where it is defined."""
    own = ".".join(("lingualign", *path.relative_to(PACKAGE).with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("lingualign"):
            continue
        for name in (alias.name for alias in node.names):
            home = node.module or ""
            while name in (shown := getattr(import_module(home), "_homes", {})):
                home = shown[name]
            if (module := f"{home}.{name}") in NAMES:
                home = module
            if home in NAMES and home != own:
                yield home


def test_no_circle_of_imports_inside_a_station_either() -> None:
    graph = {
        name: set(homes(path))
        for name, path in zip(NAMES, MODULES, strict=True)
        if path.name != "__init__.py"
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_two_files_of_tests_have_one_name() -> None:
    # pytest imports them by name alone, and fails on the second one when both folders run.
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


def test_losses_know_tensors_and_the_host_library_alone() -> None:
    allowed = {"torch", "sentence_transformers", *sys.stdlib_module_names}
    roots = set()
    for path in (PACKAGE / "losses").rglob("*.py"):
        roots |= {module.partition(".")[0] for module in imports(path) if station(module) != "losses"}
    assert roots <= allowed


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["train", "--nonsense"], *([*name.split(), "--help"] for name in COMMANDS)],
    ids=" ".join,
)
def test_help_and_wrong_options_import_little(arguments: list[str]) -> None:
    code = f"""
import sys
from lingualign.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print("modules:", *sys.modules, sep="\\n")
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = ran.stdout.partition("modules:")[2].split()
    assert not HEAVY & set(modules)
    # The parser and what it takes of the standard library are some 290; a station that runs would add hundreds.
    assert len(modules) < 400


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_face_has_each_public_name_from_its_one_home(path: Path) -> None:
    name = ".".join(("lingualign", *path.parent.relative_to(PACKAGE).parts))
    face = import_module(name)
    names = getattr(face, "__all__", [])
    assert names == list(dict.fromkeys(names))
    for public in names:
        value = getattr(face, public)
        # Importing the module of the same name must not take the function's place.
        if find_spec(f"{name}.{public}"):
            import_module(f"{name}.{public}")
        assert getattr(face, public) is value
        assert not isinstance(value, ModuleType)
    assert set(names) <= set(dir(face))
    with pytest.raises(AttributeError, match="no_such_name"):
        face.no_such_name  # noqa: B018


def test_the_public_names_are_there_and_cost_nothing_until_used() -> None:
    code = """
import sys
import lingualign
assert set(lingualign.__all__) <= set(dir(lingualign))
print(*sys.modules, sep="\\n")
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not HEAVY & set(ran.stdout.split())
    for name in lingualign.__all__:
        value = getattr(lingualign, name)
        assert name == "__version__" or value.__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lingualign.nothing
