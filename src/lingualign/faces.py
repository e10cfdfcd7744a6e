"""The faces of packages: public names that are imported when they are first used.

torch, transformers and Arrow take seconds to import, and a command's help, a wrong option or a single metric needs
none of them.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from importlib.util import resolve_name
from types import ModuleType
from typing import Any


def lazy_face(package: str) -> None:
    """Import the names in a package's ``__all__`` on first use, from where its type checker's imports say.

    An ``__init__.py`` lists its public names in ``__all__``, imports them under ``if TYPE_CHECKING:``, and calls this
    function last. Names that it binds itself stay as they are.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    """
    module = sys.modules[package]
    module.__class__ = _Face
    module._homes = _homes(module)  # type: ignore[attr-defined]


class _Face(ModuleType):
    _homes: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(self._homes[name]), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing package.encode binds the module to the package's name encode, which here is that of a function.
        if not (isinstance(value, ModuleType) and name in self.__dict__.get("_homes", ())):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def _homes(module: ModuleType) -> dict[str, str]:
    """Find the module of each public name in a package's imports under ``if TYPE_CHECKING:``."""
    assert module.__spec__ is not None
    source = module.__spec__.loader.get_source(module.__name__)  # type: ignore[union-attr]
    checked = [
        statement
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
    ]
    homes = {
        alias.name: resolve_name("." * statement.level + (statement.module or ""), module.__name__)
        for statement in checked
        for alias in statement.names
    }
    return {name: homes[name] for name in module.__all__ if name in homes}
