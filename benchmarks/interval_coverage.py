"""How often a 95% interval holds the truth, and how often equal models are called different, by simulation.

Test sets are drawn again and again from one source, and scored and compared as the command does it. The truth is the
mean of a figure over all draws: what a test set of this size from this source has on average. Draws of many rows out of
a table lie nearer to their mean than draws from an endless source; this is allowed for. Sources are real pairs, encoded
once and kept, and synthetic vectors of which some are hubs. Model A has the vectors as they are. B and C have
noise of their own on them, of equal strength: A and B differ, B and C are equal. Seeds have a random map each.

    python benchmarks/interval_coverage.py --model minilm --kept /tmp/vectors
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

PRINT = {"fingerprint": "", "prompt": "", "dimensions": 0}
MODELS = {"a": 0.0, "b": 0.35, "c": 0.35}
"""Noise of each model, as a share of the vectors' length."""
SEEDS = 3


@dataclass(frozen=True)
class Source:
    """Where test sets are drawn from."""

    name: str
    kind: str
    """bitext, nway, sts, mining, seeds or space"""
    sizes: dict[int, int]
    """Draws by rows."""
    draw: Callable[[np.random.Generator, int], dict[str, Any]]
    """Vectors by column, and ``gold``."""
    compared: bool = True
    table: float = np.inf
    """Rows that it draws from."""


def real_pairs(model: str, data: Path, kept: Path, file: str) -> dict[str, Vectors]:
    """Encode a file's two sides once."""
    path = kept / f"{Path(model).name}-{file.replace('/', '-')}.npz"
    if not path.exists():
        import pyarrow.parquet as pq

        from lingualign.embedding import encode, load_model

        table = pq.read_table(data / f"{file}.parquet")
        place: dict[str, int] = {}
        sides = {
            side: [place.setdefault(text, len(place)) for text in table[side].to_pylist()]
            for side in ("sentence1", "sentence2")
        }
        vectors = encode(load_model(model), list(place), precision="fp32").astype(np.float16)
        columns: dict[str, Any] = {side: vectors[rows] for side, rows in sides.items()}
        if "score" in table.column_names:
            columns["gold"] = np.array(table["score"].to_pylist(), np.float64)
        kept.mkdir(parents=True, exist_ok=True)
        np.savez(path, **columns)
    return {name: values if name == "gold" else unit(values) for name, values in np.load(path).items()}


def unit(vectors: npt.NDArray[Any]) -> Vectors:
    vectors = vectors.astype(np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def synthetic(width: int, noise: float, hubs: float) -> Callable[..., dict[str, Any]]:
    """Meanings in two languages; a sentence reaches more or less far along a direction that all have in common."""

    def draw(random: np.random.Generator, rows: int) -> dict[str, Any]:
        meaning = random.normal(size=(rows, width))
        sides = {}
        for side in ("sentence1", "sentence2"):
            common = hubs * random.exponential(size=(rows, 1)) * np.ones(width)
            sides[side] = unit(meaning + noise * random.normal(size=meaning.shape) + common)
        return sides

    return draw


def drawn(columns: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Draw rows of a table, none twice."""

    def draw(random: np.random.Generator, rows: int) -> dict[str, Any]:
        taken = random.choice(rows_of(columns), rows, replace=False)
        return {name: values[taken] for name, values in columns.items()}

    return draw


def rows_of(columns: dict[str, Any]) -> int:
    return len(next(iter(columns.values())))


def noisy(random: np.random.Generator, vectors: Vectors, noise: float) -> Vectors:
    if not noise:
        return vectors
    length = noise * np.linalg.norm(vectors, axis=1, keepdims=True) / np.sqrt(vectors.shape[1])
    return np.asarray(vectors + length * random.normal(size=vectors.shape), np.float32)


def outcomes_of(vectors: dict[str, Any], name: str, rows: int, training: Any = None) -> Any:
    """Measure a suite of these vectors, without the figures of the space, as `measure_suite` does."""
    from itertools import combinations

    from lingualign.evaluation.left_out import SEARCHED, find_retrieval
    from lingualign.evaluation.measure import measure_mining
    from lingualign.evaluation.outcomes import Outcomes, SuiteOutcomes
    from lingualign.neighbours import cosines, nearest_neighbours

    sides = {column: values for column, values in vectors.items() if column != "gold"}
    kind: Any = "nway" if len(sides) > 2 else "bitext"
    known: dict[str, Any] = {}
    if "gold" in vectors:
        kind, known = "sts", {"predicted": cosines(*sides.values()), "gold": vectors["gold"]}
    elif training is not None:
        kind = "mining"
        suite = mining_suite(sides, rows, mining_suite(training, rows))
        retrieval, mined, *_ = measure_mining(suite, sides, training)
        known = {"retrieval": {"sentence1-sentence2": retrieval}, "mined": mined}
    else:
        known["retrieval"] = {
            f"{one}-{two}": find_retrieval(*nearest_neighbours(sides[one], sides[two], SEARCHED), rows)
            for one, two in combinations(sides, 2)
        }
    suite_outcomes = SuiteOutcomes("s", "s", kind, [str(row) for row in range(rows)], **known)
    return Outcomes({**PRINT, "name": name, "fingerprint": name}, "", {"s": suite_outcomes})


def mining_suite(sides: dict[str, Vectors], rows: int, training: Any = None) -> Any:
    from lingualign.evaluation.suites import Suite

    texts = {side: [f"{side}{row}" for row in range(len(values))] for side, values in sides.items()}
    return Suite("s", "s", "mining", Path(), texts, None, rows, training)


def simulate(source: Source, rows: int, draws: int, seed: int) -> dict[str, Any]:
    """Draw test sets, score and compare, and count."""
    from lingualign.evaluation.compare import compare
    from lingualign.evaluation.left_out import SEARCHED
    from lingualign.evaluation.scores import score_suite
    from lingualign.evaluation.space import describe_space, estimate_hubness, with_intervals
    from lingualign.neighbours import nearest_neighbours

    random = np.random.default_rng([seed, rows])
    figures: dict[str, list[tuple[float, float, float]]] = {}
    differences: dict[str, list[tuple[float, float, float, float]]] = {}

    def keep(entry: dict[str, Any], before: str = "") -> None:
        for key, bounds in entry.items():
            if key.endswith("ci95") and bounds is not None and "precision" not in key and "recall" not in key:
                metric = key.removesuffix("ci95").removesuffix("_")
                metric = metric or next(name for name in ("accuracy", "spearman", "f1") if name in entry)
                figures.setdefault(before + metric, []).append((entry[metric], *bounds))

    def told_apart(one: str, two: str, of_models: dict[str, Any]) -> None:
        for figure in compare({one: of_models[one], two: of_models[two]})["figures"]:
            found: Any = figure["comparisons"][0]
            name = f"{one}-{two} {figure['metric']}" + (f", {figure['pair']}" if figure["pair"] else "")
            if found["ci95"] is not None:
                differences.setdefault(name, []).append((found["difference"], *found["ci95"], found["p"]))

    training = source.draw(random, 500) if source.kind == "mining" else None
    for _ in range(draws):
        vectors = source.draw(random, rows)
        if source.kind == "space":
            search = nearest_neighbours(vectors["sentence1"], vectors["sentence2"], SEARCHED)
            keep(describe_space(vectors) | with_intervals(hubness=estimate_hubness([search])))
            continue
        if source.kind == "seeds":
            width = vectors["sentence1"].shape[1]
            models = {
                label: [
                    outcomes_of(
                        {
                            side: values
                            + noisy(
                                random, values @ random.normal(0, 0.35 / np.sqrt(width), (width, width)), 0.5
                            )
                            for side, values in vectors.items()
                        },
                        f"{label}{number}",
                        rows,
                    )
                    for number in range(SEEDS)
                ]
                for label in ("b", "c")
            }
            told_apart("b", "c", models)
            for figure in compare(models)["figures"]:
                entry: Any = figure["models"]["b"]
                figures.setdefault(f"mean of seeds, {figure['metric']}", []).append(
                    (entry["value"], *entry["ci95"])
                )
            continue
        pairs = rows if source.kind != "mining" else rows * 2 // 5
        models = {}
        moved: Any
        for label, noise in MODELS.items():
            if label == "a" or source.compared:
                moved, extra = (
                    each
                    and {
                        side: values if side == "gold" else noisy(random, values, noise)
                        for side, values in each.items()
                    }
                    for each in (vectors, training)
                )
                models[label] = [outcomes_of(moved, label, pairs, extra)]
        scores = score_suite(models["a"][0].suites["s"]).entry
        if source.kind == "nway":
            keep(scores["mean"], "n-way mean, ")
        else:
            keep(scores)
            keep(scores.get("mining", {}), "mined, ")
        if source.compared:
            told_apart("a", "b", models)
            told_apart("b", "c", models)
    told: dict[str, Any] = {"figures": {}, "differences": {}}
    for name, values in figures.items():
        value, low, high = np.array(values).T
        truth = value.mean()
        # A draw from an endless source would lie so much further off.
        further = (value - truth) * ((1 - rows / source.table) ** -0.5 - 1)
        above, below = np.mean(low + further > truth), np.mean(high + further < truth)
        told["figures"][name] = {
            "mean": truth,
            "deviation": (value + further).std(ddof=1),
            "width": float(np.mean(high - low)),
            "covered": float(1 - above - below),
            "above": float(above),
            "below": float(below),
        }
    for name, compared in differences.items():
        value, low, high, p = np.array(compared).T
        null = name.startswith("b-c")
        truth = 0.0 if null else value.mean()
        told["differences"][name] = {
            "mean": value.mean(),
            "deviation": value.std(ddof=1),
            "width": float(np.mean(high - low)),
            "covered": float(np.mean((low <= truth) & (truth <= high))),
            "called": float(np.mean(p < 0.05)),
        }
    return told


def sources(given: Any) -> list[Source]:
    """List the sources."""
    few = {100: given.draws, 300: given.draws}
    many = {1_000: given.draws * 3 // 4, 2_000: given.draws // 2}
    french = real_pairs(given.model, given.data, given.kept, "train/tatoeba/en-fr")
    russian = real_pairs(given.model, given.data, given.kept, "train/tatoeba/en-ru")
    graded = real_pairs(given.model, given.data, given.kept, "eval/sts/stsb-en")
    alike = {side: graded[side][graded["gold"] >= 3] for side in ("sentence1", "sentence2")}
    near, easy, hard = synthetic(32, 1.0, 0.3), synthetic(24, 0.6, 0.0), synthetic(16, 1.5, 0.7)

    def three(draw: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def columns(random: np.random.Generator, rows: int) -> dict[str, Any]:
            sides = draw(random, rows)
            return {**sides, "third": noisy(random, sides["sentence2"], 0.5)}

        return columns

    def mixed(draw: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        """Two fifths pairs, and as many other sentences on either side as remain."""

        def columns(random: np.random.Generator, rows: int) -> dict[str, Any]:
            pairs, alone = rows * 2 // 5, rows * 3 // 5
            sides = draw(random, pairs + 2 * alone)
            return {
                "sentence1": sides["sentence1"][: pairs + alone],
                "sentence2": np.concatenate(
                    [sides["sentence2"][:pairs], sides["sentence2"][pairs + alone :]]
                ),
            }

        return columns

    def graded_meanings(random: np.random.Generator, rows: int) -> dict[str, Any]:
        one = random.normal(size=(rows, 24))
        share = random.random((rows, 1))
        two = share * one + (1 - share) * random.normal(size=one.shape)
        return {"sentence1": unit(one), "sentence2": unit(two), "gold": np.round(5 * share[:, 0])}

    return [
        Source("Tatoeba en-fr", "bitext", few | many, drawn(french), table=rows_of(french)),
        Source("synthetic, hard, hubs", "bitext", few | many, hard),
        Source("STS benchmark, alike", "bitext", few | many, drawn(alike), table=rows_of(alike)),
        Source("synthetic, in between", "bitext", few | many, near),
        Source("Tatoeba en-ru", "bitext", few | many, drawn(russian), table=rows_of(russian)),
        Source("synthetic, easy", "bitext", few | many, easy),
        Source("Tatoeba en-fr", "nway", {300: given.draws // 2}, three(drawn(french)), table=rows_of(french)),
        Source("synthetic, in between", "nway", few, three(near)),
        Source("STS benchmark, en", "sts", few | many, drawn(graded), table=rows_of(graded)),
        Source("synthetic", "sts", few | many, graded_meanings),
        Source("Tatoeba en-fr", "mining", {500: given.draws}, mixed(drawn(french)), compared=False),
        Source("synthetic, in between", "mining", {500: given.draws}, mixed(near), compared=False),
        Source("Tatoeba en-fr", "seeds", {300: given.draws // 2}, drawn(french), table=rows_of(french)),
        Source("synthetic, in between", "seeds", few, near),
        Source("Tatoeba en-fr", "space", few | many, drawn(french), table=rows_of(french)),
        Source("STS benchmark, alike", "space", few | many, drawn(alike), table=rows_of(alike)),
        Source("synthetic, in between", "space", few | many, near),
    ]


def identity(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["kind"], entry["source"], entry["rows"]


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--model", default="minilm")
    parser.add_argument(
        "--kept", type=Path, default=Path("/tmp/interval_coverage"), help="folder of real vectors"
    )
    parser.add_argument(
        "--draws", type=int, default=400, help="test sets of the smallest sizes; fewer of larger ones"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], help="kinds to simulate: bitext, nway, sts, mining, seeds, space"
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[], help="sizes of test sets; all by default")
    parser.add_argument(
        "--name", default="interval_coverage", help="the figures go to benchmarks/results/NAME.json"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep what NAME.json has of other sources and sizes"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    path = Path(__file__).parent / "results" / f"{given.name}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["simulations"] if given.resume else []
    told = {identity(each): each for each in before}
    for source in sources(given):
        if given.only and source.kind not in given.only:
            continue
        for rows, draws in source.sizes.items():
            if given.rows and rows not in given.rows:
                continue
            started = time.process_time()
            found = simulate(source, rows, draws, seed=20261130)
            about = {"source": source.name, "kind": source.kind, "rows": rows, "draws": draws}
            entry = {**about, "cpu_s": round(time.process_time() - started), **found}
            told[identity(entry)] = entry
            print(json.dumps(about), entry["cpu_s"], "s", flush=True)
            for name, each in found["figures"].items():
                print(
                    f"  {name:28} {each['mean']:7.3f} +- {each['deviation']:.4f}  covered {each['covered']:.3f}",
                    flush=True,
                )
            for name, each in found["differences"].items():
                print(
                    f"  {name:28} {each['mean']:7.3f} +- {each['deviation']:.4f}  covered {each['covered']:.3f}"
                    f"  p < .05 in {each['called']:.3f}",
                    flush=True,
                )
            # After each, as the whole takes long.
            path = save_result(
                given.name, {"model": Path(given.model).name, "simulations": list(told.values())}
            )
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
