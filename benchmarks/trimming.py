"""What trimming leaves of a multilingual encoder: its size, how text is cut, and its scores, untrained.

Tokens are chosen by a sample of the training pairs, each distinct sentence once; other pairs are held out to count
the sentences that are cut differently than before. No evaluation suite takes part in the choice.

    python benchmarks/trimming.py MODEL --prompt "query: " --sentences 300 10724 --scores
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

_HELD_OUT = 1_000


def read_pairs(data: Path) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Read the English-centred training pairs in random order: language and sentence of both sides."""
    import pyarrow.parquet as pq

    pairs = []
    for path in sorted((data / "train").rglob("en-*.parquet")):
        rows = pq.read_table(path).to_pydict()
        sides = [zip(rows[f"lang{side}"], rows[f"sentence{side}"], strict=True) for side in "12"]
        pairs += list(zip(*sides, strict=True))
    random.Random(0).shuffle(pairs)
    return pairs


def take(pairs: list[tuple[tuple[str, str], tuple[str, str]]], count: int) -> dict[str, list[str]]:
    """Take the distinct sentences of the first pairs, by language, until there are so many of them."""
    taken: dict[str, str] = {}
    for pair in pairs:
        if len(taken) >= count:
            break
        taken |= {sentence: language for language, sentence in pair}
    by_language: dict[str, list[str]] = {}
    for sentence, language in taken.items():
        by_language.setdefault(language, []).append(sentence)
    return by_language


def main() -> None:
    """Print a row for the whole model and one for each number of sentences."""
    from lingualign.embedding import load_model
    from lingualign.evaluation import evaluate, load_suites
    from lingualign.student import trim_vocabulary

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--prompt", help="the model's own default prompt where absent")
    parser.add_argument("--sentences", type=int, nargs="+", default=[10_724])
    parser.add_argument("--scores", action="store_true", help="score on Tatoeba and STSb ru, too")
    given = parser.parse_args()

    pairs = read_pairs(given.data)
    held_out = [sentence for pair in pairs[-_HELD_OUT:] for _, sentence in pair]
    suites = load_suites([str(given.data / "eval" / "tatoeba"), str(given.data / "eval/sts/stsb-ru.parquet")])
    print("| sentences | tokens | parameters | held-out cut differently | Tatoeba | STSb ru |")
    print("|---:|---:|---:|---:|---:|---:|")
    for count in (None, *given.sentences):
        model = load_model(given.model)
        cells = ["", f"{len(model.tokenizer):,}", f"{sum(p.numel() for p in model.parameters()):,}", ""]
        if count is not None:
            sentences = take(pairs[:-_HELD_OUT], count)
            trimmed = trim_vocabulary(model, sentences, prompt=given.prompt, held_out=held_out)
            cells = [
                f"{sum(map(len, sentences.values())):,}",
                f"{trimmed.tokens:,}",
                f"{trimmed.parameters:,}",
                f"{trimmed.cut_differently:,} of {trimmed.held_out:,}",
            ]
        if given.scores:
            scores = evaluate(model, suites, prompt=given.prompt)
            [sts] = [suite["spearman"] for suite in scores["suites"].values() if suite["kind"] == "sts"]
            cells += [f"{100 * scores['means']['tatoeba']['accuracy']:.1f}", f"{100 * sts:.1f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
