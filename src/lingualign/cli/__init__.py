"""The ``lingualign`` command: `main` runs it, `COMMANDS` names its functions, whose signatures are its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.cli.app import COMMANDS, main

__all__ = ["COMMANDS", "main"]

lazy_face(__name__)
