"""Whether ``torch.compile`` pays for an encoder in training: forward and backward of batches of varying lengths.

Eager and compiled steps take turns on the same batches; compiling itself is timed apart.

    python benchmarks/compiled.py --layers 2
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

from machine import command_line, save_result


def batches(count: int, sentences: int) -> list[dict[str, Tensor]]:
    """Make random batches, padded to longest sentences of 12 to 60 tokens."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for width in torch.randint(12, 61, (count,), generator=generator).tolist():
        lengths = torch.randint(4, width + 1, (sentences, 1), generator=generator)
        lengths[0] = width
        ids = torch.randint(1_000, 20_000, (sentences, width), generator=generator)
        made.append({"input_ids": ids, "attention_mask": (torch.arange(width) < lengths).long()})
    return made


def seconds(model: Any, batch: dict[str, Tensor]) -> float:
    """Time one forward and backward pass."""
    began = time.perf_counter()
    model(**batch).last_hidden_state.sum().backward()
    return time.perf_counter() - began


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--layers", type=int, default=6, help="of minilm's six, from the first one")
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--sentences", type=int, default=64)
    given = parser.parse_args()

    from lingualign.embedding import load_model

    encoder: Any = load_model("minilm", device="cpu").train().transformers_model
    encoder.encoder.layer = nn.ModuleList(list(encoder.encoder.layer)[: given.layers])
    compiled = torch.compile(encoder, dynamic=True)
    first, second, *rest = batches(given.batches + 2, given.sentences)
    # Twice: another length may compile once more.
    compiling = seconds(compiled, first) + seconds(compiled, second)
    times = [(seconds(encoder, batch), seconds(compiled, batch)) for batch in rest]
    eager_ms, compiled_ms = (1_000 * statistics.median(column) for column in zip(*times, strict=True))
    figures = {
        "layers": given.layers,
        "batches": given.batches,
        "sentences": given.sentences,
        "compiling_seconds": round(compiling, 1),
        "eager_ms": round(eager_ms, 1),
        "compiled_ms": round(compiled_ms, 1),
    }
    save_result("compiled", figures)
    print(figures)


if __name__ == "__main__":
    main()
