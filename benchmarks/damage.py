"""Random damage to everything that is kept on disk, and what comes of it.

Each trial takes a whole copy of what lies there, damages it at random (a flipped bit, a changed digit, a block of
zeros, a lost end, bytes too many, a lost file, one file under the name of another, two exchanged) and uses it.
``right`` is the result of the undamaged files, ``refused`` an error that names the file and the cure; ``told`` is
another result after a warning that names what is lost, as of a run whose best checkpoint is damaged. ``wrong`` is
another result without one, and ``broken`` any other end. Nothing may be wrong or broken.

    python benchmarks/damage.py                        # 25 trials of each kind: some minutes
    python benchmarks/damage.py --trials 5 --kinds tiles store
"""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import string
import tempfile
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

WORDS = ["".join(random.Random(number).choices(string.ascii_lowercase, k=5)) for number in range(400)]
SENTENCES = [" ".join(random.Random(-number).choices(WORDS, k=6)) for number in range(1, 241)]
DAMAGES = ("bit", "digit", "zeros", "end", "more", "lost", "another's", "exchanged")
BLOCK = 64
LOST = "held the best model so far, but"


def damage(files: list[Path], chance: random.Random) -> str:
    """Damage one file, or two; returns what was done."""
    path = chance.choice([file for file in files if file.stat().st_size])
    kind = chance.choice(DAMAGES)
    name = f"{path.parent.name}/{path.name}"
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    digits = [at for at, byte in enumerate(content[:4096]) if 48 <= byte <= 57]
    others = [file for file in files if file != path and file.read_bytes() != bytes(content)]
    if kind == "digit" and digits:
        at = chance.choice(digits)
        content[at] = chance.choice([digit for digit in range(48, 58) if digit != content[at]])
    elif kind == "zeros" and any(content[place : place + BLOCK]):
        content[place : place + BLOCK] = bytes(len(content[place : place + BLOCK]))
    elif kind == "end":
        del content[place:]
    elif kind == "more":
        content += bytes(chance.randrange(1, 100))
    elif kind == "lost":
        path.unlink()
        return f"{name}: lost"
    elif kind in ("another's", "exchanged") and others:
        other = chance.choice(others)
        theirs = other.read_bytes()
        if kind == "exchanged":
            other.write_bytes(content)
        path.write_bytes(theirs)
        return f"{name}: {kind} ({other.name})"
    else:
        kind = "bit"
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"{name}: {kind} at {place}"


def tiny_model() -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(["[UNK]", *WORDS])}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = torch.randn(len(WORDS) + 1, 16, generator=torch.Generator().manual_seed(1))
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, weights)], device="cpu")


@dataclass(frozen=True)
class Kept:
    """One kind of thing that is kept: how it is made in a folder, how it is used, and what is damaged in it."""

    make: Callable[[SentenceTransformer, Path], None]
    use: Callable[[SentenceTransformer, Path], Any]
    damaged: str = "**/*"

    def files(self, folder: Path) -> list[Path]:
        """List what is damaged; locks hold nothing."""
        return sorted(
            path for path in folder.glob(self.damaged) if path.is_file() and not path.name.endswith("lock")
        )


def make_store(model: SentenceTransformer, folder: Path) -> None:
    from lingualign.teacher import TeacherStore

    TeacherStore.for_model(folder, model).add(SENTENCES, segment_rows=40)


def use_store(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.teacher import TeacherStore

    store = TeacherStore.for_model(folder, model)
    store.add(SENTENCES)
    return store[store.rows(SENTENCES)].tobytes()


def make_tokens(model: SentenceTransformer, folder: Path) -> None:
    use_tokens(model, folder)


def use_tokens(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.training import token_files

    def tokens() -> token_files.Tokens:
        ids = [model.tokenizer.encode(sentence).ids for sentence in SENTENCES]
        starts = np.cumsum([0, *map(len, ids)]).astype(np.int64)
        return token_files.Tokens(np.concatenate(ids).astype(np.int32), starts, True, None)

    name = hashlib.sha256(b"tokens").hexdigest()[:40]
    found = token_files.kept(folder, name, len(SENTENCES), tokens)
    return found.ids.tobytes(), found.starts.tobytes(), found.flat, found.prompt_length


def make_prepared(model: SentenceTransformer, folder: Path) -> None:
    from lingualign.pairs import prepare_shards
    from lingualign.pairs.config import DataConfig, PairsConfig

    text = "".join(f"{one}\t{other}\n" for one, other in zip(SENTENCES, reversed(SENTENCES), strict=True))
    source = folder / "source.en-fr.tsv"
    source.write_text(f"sentence1\tsentence2\n{text}")
    prepare_shards(DataConfig(PairsConfig([str(source)], validation=20)), folder / "prepared")
    source.unlink()


def use_prepared(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.pairs.config import PairsConfig
    from lingualign.training.config import RunConfig
    from lingualign.training.data import prepare

    # As training does it, which has to tell prepared pairs from others first.
    found = prepare(RunConfig(str(folder / "run"), PairsConfig([str(folder / "prepared")])))
    return found.train.to_pylist(), found.validation.to_pylist(), found.priority


def make_outcomes(model: SentenceTransformer, folder: Path) -> None:
    from lingualign.evaluation import load_suites, measure, save_outcomes

    suites = folder / "suites"
    suites.mkdir()
    for name in ("one", "two"):
        rows = "".join(f"{sentence}\t{' '.join(sentence.split()[1:])}\n" for sentence in SENTENCES[:60])
        (suites / f"{name}.tsv").write_text(f"sentence1\tsentence2\n{rows}")
    save_outcomes(measure(model, load_suites([str(suites)])), folder / "outcomes.parquet")
    shutil.rmtree(suites)


def use_outcomes(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.evaluation import load_outcomes
    from lingualign.evaluation.scores import score

    return repr(score(load_outcomes(folder / "outcomes.parquet"))["suites"])


def make_encoded(model: SentenceTransformer, folder: Path) -> None:
    from lingualign.mining import encode_text

    (folder / "text").write_text("\n".join(SENTENCES))
    encode_text(model, str(folder / "text"), folder / "encoded")


def use_encoded(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.mining.encoded_text import EncodedText

    text = EncodedText(folder / "encoded")
    return text.sentences().to_pylist(), [array.tobytes() for array in text.vectors]


def make_search(model: SentenceTransformer, folder: Path) -> None:
    seen = []

    def stopped(done: int) -> None:
        seen.append(done)
        if sum(seen) > 60_000:
            raise InterruptedError

    try:
        _search(folder, stopped, 0)
    except InterruptedError:
        return
    raise AssertionError


def use_search(model: SentenceTransformer, folder: Path) -> Any:
    found = _search(folder, lambda _: None, 60)
    return [(each.index.tobytes(), each.cosine.tobytes()) for each in found]


def _search(folder: Path, advance: Callable[[int], None], seconds: float) -> Any:
    from lingualign.neighbours import SearchCheckpoint, nearest_neighbours, search

    search.TILE_COLUMNS = 8  # many small tiles
    drawn = np.random.default_rng(3)
    source, target = (drawn.normal(size=(rows, 16)).astype(np.float32) for rows in (300, 500))
    checkpoint = SearchCheckpoint(folder / "search", "these", seconds=seconds)
    return nearest_neighbours(source, target, 3, checkpoint=checkpoint, advance=advance)


def make_tiles(model: SentenceTransformer, folder: Path) -> None:
    from lingualign.embedding import ModelOptions
    from lingualign.mining.engines.engine import Part
    from lingualign.mining.mine import plan_mining
    from lingualign.mining.tiled_search import search_part
    from lingualign.neighbours import SearchOptions

    for name, sentences in (("one", SENTENCES), ("two", SENTENCES[::-1])):
        (folder / name).write_text("\n".join(sentences))
    plan_mining(*_sides(model, folder), folder / "out.tsv", ModelOptions(), SearchOptions(), workers=3)
    search_part(folder / "out.tsv", Part(1, 1))


def use_tiles(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.mining import mine_pairs

    mine_pairs(*_sides(model, folder), folder / "out.tsv")
    return (folder / "out.tsv").read_bytes()


def _sides(model: SentenceTransformer, folder: Path) -> tuple[Any, str, str]:
    return model, str(folder / "one"), str(folder / "two")


def make_vectors(model: SentenceTransformer, folder: Path) -> None:
    use_vectors(model, folder)


def use_vectors(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.embedding.encoders import open_encoder
    from lingualign.embedding.encoders.kept import encode_kept

    encoder = open_encoder(model)
    for part in (SENTENCES[:100], SENTENCES[100:]):
        encode_kept(encoder, part, folder)
    return encode_kept(encoder, SENTENCES, folder).tobytes()


def make_checkpoints(model: SentenceTransformer, folder: Path) -> None:
    from lingualign.training import train

    pairs = "".join(f"{one}\t{other}\n" for one, other in zip(SENTENCES, reversed(SENTENCES), strict=True))
    (folder.parent / "pairs.en-fr.tsv").write_text(f"sentence1\tsentence2\n{pairs}")
    model.save_pretrained(str(folder.parent / "teacher"), create_model_card=False)
    train(_config(folder), progress=False)
    for name in ("modules.json", "model.safetensors", "training_log.json"):
        (folder / "run" / name).unlink()


def use_checkpoints(model: SentenceTransformer, folder: Path) -> Any:
    from lingualign.training import train

    train(_config(folder), resume=True, progress=False)
    return (folder / "run" / "model.safetensors").read_bytes()


def _config(folder: Path) -> Any:
    from lingualign.pairs.config import PairsConfig
    from lingualign.training import (
        EarlyStoppingConfig,
        RunConfig,
        StudentConfig,
        TeacherConfig,
        TrainingConfig,
    )

    beside = folder.parent
    return RunConfig(
        output=str(folder / "run"),
        pairs=PairsConfig([str(beside / "pairs.en-fr.tsv")], validation=20),
        teacher=TeacherConfig(model=str(beside / "teacher"), store=str(beside / "store")),
        student=StudentConfig(kind="encoder", model=str(beside / "teacher")),
        training=TrainingConfig(
            max_steps=6,
            batch_size=32,
            learning_rate=1e-2,
            evaluate_every=2,
            early_stopping=EarlyStoppingConfig("validation", patience=None),
            precision="fp32",
        ),
    )


KINDS = {
    "store": Kept(make_store, use_store),
    "tokens": Kept(make_tokens, use_tokens),
    "prepared": Kept(make_prepared, use_prepared),
    "outcomes": Kept(make_outcomes, use_outcomes),
    "encoded": Kept(make_encoded, use_encoded, "encoded/*"),
    "search": Kept(make_search, use_search),
    # All tiles done; with them the vectors that are searched.
    "tiles": Kept(make_tiles, use_tiles, "*.parts/*/*"),
    "vectors": Kept(make_vectors, use_vectors),
    # Of a run that was killed before its end: damaged ones give way to earlier ones, and the end is the same.
    "checkpoints": Kept(make_checkpoints, use_checkpoints, "run/checkpoints/checkpoint-*/*"),
}


def attempt(kept: Kept, model: SentenceTransformer, whole: Path, expected: Any, seed: str) -> tuple[str, str]:
    """Damage a copy and use it; returns what came, and what was done."""
    from lingualign.errors import InputError

    # Where the whole one lies, since a plan names its folder.
    shelf = whole.with_name("whole")
    shutil.copytree(whole, shelf)
    whole.rename(whole.with_name("aside"))
    shelf.rename(whole)
    try:
        done = damage(kept.files(whole), random.Random(seed))
        try:
            return ("right" if kept.use(model, whole) == expected else "wrong"), done
        except InputError as error:
            return "refused", f"{done}: {error}"
        except Exception:
            return "broken", f"{done}\n{traceback.format_exc()}"
    finally:
        shutil.rmtree(whole)
        whole.with_name("aside").rename(whole)


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("lingualign").addHandler(handler)
    logging.getLogger("lingualign").propagate = False
    warnings.simplefilter("ignore")
    model = tiny_model()
    table: dict[str, Counter[str]] = {}
    for name in given.kinds:
        kept = KINDS[name]
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place) / "there"
            whole.mkdir()
            kept.make(model, whole)
            untouched = Path(place) / "untouched"
            shutil.copytree(whole, untouched)
            expected = kept.use(model, whole)
            shutil.rmtree(whole)
            untouched.rename(whole)
            table[name] = Counter()
            for trial in range(given.trials):
                said.clear()
                what, done = attempt(kept, model, whole, expected, f"{given.seed} {name} {trial}")
                if what == "wrong" and any(LOST in message for message in said):
                    what = "told"
                table[name][what] += 1
                if what in ("wrong", "broken"):
                    print(f"{name}, trial {trial}: {what}: {done}", flush=True)
        print(f"{name:12} {dict(table[name])}", flush=True)
    save_result("damage", {"trials": {name: dict(of) for name, of in table.items()}})


if __name__ == "__main__":
    main()
