"""How much of a GPU's matrix rate training reaches: an XLM-R-base-size encoder with random weights, in bf16.

The global batch is 4,096 pairs with cached gradients; lengths are those of real pairs, or log-normal ones like them
where there are none at hand. Work is counted for real tokens alone: 6 operations a weight and token for forward and
backward, 2 more for the first forward of the cached gradients, and the attention's products. The card's rate is
measured in the same run, on large bf16 products.

    python benchmarks/training_gpu.py
    python benchmarks/training_gpu.py --pairs lengths.json   # [[tokens of side 1, tokens of side 2], ...]
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from lingualign.losses import SoftContrastiveLoss
from machine import command_line, save_result

VOCABULARY = 250_002


def student(layers: int, folder: Path) -> SentenceTransformer:
    """Make an encoder of XLM-R-base's size, with a tokenizer that is only there to be saved."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(special, unk_token="<unk>")),
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )
    config = XLMRobertaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_hidden_layers=layers,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformer = Transformer(str(folder), model_kwargs={"add_pooling_layer": False})
    return SentenceTransformer(modules=[transformer, Pooling(config.hidden_size, "mean")], device="cuda")


def features(lengths: np.ndarray[Any, Any], generator: np.random.Generator) -> dict[str, torch.Tensor]:
    width = int(lengths.max())
    mask = torch.arange(width)[None] < torch.from_numpy(lengths)[:, None]
    ids = torch.from_numpy(generator.integers(4, VOCABULARY, mask.shape))
    return {"input_ids": ids.masked_fill(~mask, 1).cuda(), "attention_mask": mask.long().cuda()}


def operations(lengths: np.ndarray[Any, Any], weights: int, layers: int, hidden: int) -> float:
    """Floating-point operations that these real tokens need, the first forward of cached gradients included."""
    passes = 3 + 1  # a backward pass is two forward ones
    products = 2.0 * weights * lengths.sum()
    attention = layers * 4.0 * hidden * float((lengths.astype(np.float64) ** 2).sum())
    return float(passes * (products + attention))


def matrix_rate() -> float:
    """Operations a second of large bf16 products, the best of ten."""
    one = torch.randn(8_192, 8_192, device="cuda", dtype=torch.bfloat16)
    best = 0.0
    for _ in range(10):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(10):
            one @ one
        torch.cuda.synchronize()
        best = max(best, 10 * 2 * 8_192**3 / (time.perf_counter() - began))
    return best


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--batch-size", type=int, default=4_096)
    parser.add_argument("--mini-batch-size", type=int, default=2_048)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--pairs", type=Path, help="JSON: lengths in tokens of real pairs")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("there is no GPU here: this benchmark needs one")
    generator = np.random.default_rng(7)
    if given.pairs:
        real = np.array(json.loads(given.pairs.read_text(encoding="utf-8")))
        lengths = real[generator.integers(0, len(real), given.batch_size)].T
    else:
        lengths = np.clip(generator.lognormal(3.2, 0.6, (2, given.batch_size)), 3, 256).astype(np.int64)

    with TemporaryDirectory() as folder:
        model = student(given.layers, Path(folder)).train()
    encoder: Any = model.transformers_model
    weights = sum(p.numel() for name, p in encoder.named_parameters() if "embeddings" not in name)
    loss = SoftContrastiveLoss(model, mini_batch_size=given.mini_batch_size).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    columns = [features(side, generator) for side in lengths]
    teacher = torch.randn(given.batch_size, 1, 768, device="cuda")
    rate = matrix_rate()
    work = operations(lengths.flatten(), weights, given.layers, encoder.config.hidden_size)
    seconds = []
    for turn in range(given.rounds + 2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            total = torch.stack(list(loss([dict(column) for column in columns], teacher).values())).sum()
        torch.autograd.backward(total)
        optimizer.step()
        optimizer.zero_grad()
        torch.cuda.synchronize()
        if turn > 1:
            seconds.append(time.perf_counter() - began)
    step = statistics.median(seconds)
    figures = {
        "pairs": given.batch_size,
        "mini_batch_size": given.mini_batch_size,
        "tokens": int(lengths.sum()),
        "weights_without_embeddings": weights,
        "seconds": round(step, 3),
        "pairs_per_second": round(given.batch_size / step, 1),
        "tera_operations_per_second": round(work / step / 1e12, 1),
        "measured_rate": round(rate / 1e12, 1),
        "share_of_rate": round(work / step / rate, 3),
        "peak_gigabytes": round(torch.cuda.max_memory_allocated() / 2**30, 1),
    }
    print(json.dumps(figures, indent=1))
    save_result("training_gpu", figures)


if __name__ == "__main__":
    main()
