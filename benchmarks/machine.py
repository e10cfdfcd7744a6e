"""What a measurement was made on, to stand beside its figures: processor, cores, memory, versions, date."""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def command_line(description: str | None, data: str | None = None) -> argparse.ArgumentParser:
    """Begin a script's command line; with ``--data``, of which ``data`` tells what it holds, where that is given."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    if data is not None:
        default = os.environ.get("LINGUALIGN_DATA", Path(__file__).parents[2] / "shared" / "data")
        parser.add_argument("--data", type=Path, default=Path(default), help=data)
    return parser


def describe_machine() -> dict[str, Any]:
    """Describe this machine without its name or any path of it."""
    import torch

    from lingualign import __version__

    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(gigabytes),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lingualign": __version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


def save_result(name: str, figures: dict[str, Any]) -> Path:
    """Keep figures with the machine's description as ``benchmarks/results/NAME.json``."""
    path = RESULTS / f"{name}.json"
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": describe_machine(), **figures}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    print(json.dumps(describe_machine(), indent=1))
