"""Two tiny models on disk, and processes that start in no time because a server has imported everything."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import pytest
from tiny_runs import tiny_bert

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from pathlib import Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``teacher`` and, of other dimensions and with dropout, ``student``."""
    folder = tmp_path_factory.mktemp("models")
    tiny_bert().save_pretrained(str(folder / "teacher"), create_model_card=False)
    tiny_bert(dropout=0.2, dimensions=12).save_pretrained(str(folder / "student"), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Start real processes, which can really be killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny_runs", "lingualign.training.trainer", "lingualign.training.train"])
    return context
