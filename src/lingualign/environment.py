"""What torch's libraries read from the environment when they are first used."""

from __future__ import annotations

import os

SETTINGS = {
    # With other processes busy, OpenMP threads that spin while they wait starve each other.
    "OMP_WAIT_POLICY": "PASSIVE",
    # oneDNN and torch's wrapper of it each keep the code of the last 1,024 products by their shapes, some hundreds of
    # kilobytes each. Batches of sentences hardly ever have the shape of one long ago.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "64",
}


def prepare_environment() -> None:
    """Set what is not set yet; without effect on a library that has been used before."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
