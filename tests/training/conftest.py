"""Two tiny models on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny_runs import tiny_bert

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``teacher`` and, of other dimensions and with dropout, ``student``."""
    folder = tmp_path_factory.mktemp("models")
    tiny_bert().save_pretrained(str(folder / "teacher"), create_model_card=False)
    tiny_bert(dropout=0.2, dimensions=12).save_pretrained(str(folder / "student"), create_model_card=False)
    return folder
