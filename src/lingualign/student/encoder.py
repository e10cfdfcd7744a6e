"""An existing encoder as the student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.embedding import load_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def encoder_student(
    name: str, *, revision: str | None = None, trust_remote_code: bool = False
) -> SentenceTransformer:
    """Load any encoder by hub id or folder, as `load_model` does; a plain transformer gets mean pooling.

    Its weights are in single precision, whatever they were saved in: half precision has no room for the small steps of
    training.
    """
    student: SentenceTransformer = load_model(
        name, revision=revision, trust_remote_code=trust_remote_code
    ).float()
    return student
