"""The static student: what it saves, and row-wise training against dense training."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

from lingualign.errors import InputError
from lingualign.student import static_student
from lingualign.training.rowwise import RowwiseAdamW, RowwiseEmbeddingBag, train_rowwise

ROWS, DIMENSION = 30, 5
batches = st.lists(st.lists(st.integers(0, ROWS - 1), max_size=6), min_size=1, max_size=8)


def bag(seed: int = 0) -> torch.nn.EmbeddingBag:
    weights = torch.randn(ROWS, DIMENSION, generator=torch.Generator().manual_seed(seed))
    return torch.nn.EmbeddingBag.from_pretrained(weights, freeze=False)


def flat(batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor([identity for sentence in batch for identity in sentence], dtype=torch.long)
    lengths = torch.tensor([len(sentence) for sentence in batch])
    return ids, lengths.cumsum(0) - lengths


def tiny() -> SentenceTransformer:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate("abcdef")}, "a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")


@settings(max_examples=60, deadline=None)
@given(batch=batches)
def test_rowwise_vectors_and_gradients_are_those_of_the_dense_bag(batch):
    dense = bag()
    rowwise = RowwiseEmbeddingBag.sharing(bag())
    ids, starts = flat(batch)
    weight = torch.randn(len(batch), DIMENSION, generator=torch.Generator().manual_seed(1))
    outputs = [module(ids, starts) for module in (dense, rowwise)]
    torch.testing.assert_close(outputs[1], outputs[0])
    for output in outputs:
        (output * weight).sum().backward()
    gradient = rowwise.weight.grad
    assert gradient.is_sparse
    assert gradient._indices()[0].tolist() == sorted({row for sentence in batch for row in sentence})
    torch.testing.assert_close(gradient.to_dense(), dense.weight.grad)


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(batches, min_size=1, max_size=5))
def test_rowwise_steps_are_adam_steps_on_the_touched_rows(steps):
    modules = bag(), RowwiseEmbeddingBag.sharing(bag())
    before = modules[0].weight.detach().clone()
    plain, rowwise = (module.weight for module in modules)
    optimizer = RowwiseAdamW([rowwise], lr=0.05)
    mean, square = torch.zeros(ROWS, DIMENSION).double(), torch.zeros(ROWS, DIMENSION).double()
    touched: set[int] = set()
    for step, batch in enumerate(steps, start=1):
        ids, starts = flat(batch)
        for module in modules:
            module.weight.grad = None
            (module(ids, starts) ** 3).sum().backward()
        with torch.no_grad():
            for row in set(ids.tolist()):
                g = plain.grad[row].double()
                mean[row] = 0.9 * mean[row] + 0.1 * g
                square[row] = 0.999 * square[row] + 0.001 * g**2
                m_hat, v_hat = mean[row] / (1 - 0.9**step), square[row] / (1 - 0.999**step)
                plain[row] -= (0.05 * m_hat / (v_hat.sqrt() + 1e-8)).float()
                touched.add(row)
        optimizer.step()
        torch.testing.assert_close(rowwise, plain, rtol=1e-3, atol=1e-4)
        with torch.no_grad():
            rowwise.copy_(plain)  # one step at a time: rounding near zero gradients would be amplified
    left = [row for row in range(ROWS) if row not in touched]
    assert torch.equal(rowwise.detach()[left], before[left])


def test_train_rowwise_keeps_the_parameter_and_what_is_saved(tmp_path):
    student = tiny()
    parameter = student[0].embedding.weight
    expected = student.encode(["a b", "f", ""])
    student.save_pretrained(str(tmp_path / "before"))
    assert train_rowwise(student)
    assert student[0].embedding.weight is parameter
    assert [name for name, _ in student.named_parameters()] == ["0.embedding.weight"]
    assert np.array_equal(student.encode(["a b", "f", ""]), expected)
    student.save_pretrained(str(tmp_path / "after"))
    files = {path.relative_to(tmp_path / "before") for path in (tmp_path / "before").rglob("*")}
    assert files == {path.relative_to(tmp_path / "after") for path in (tmp_path / "after").rglob("*")}
    for name in files:
        one, other = tmp_path / "before" / name, tmp_path / "after" / name
        assert one.is_dir() or one.read_bytes() == other.read_bytes()


@pytest.mark.data
def test_train_rowwise_leaves_encoders_alone(minilm):
    assert not train_rowwise(minilm)


@pytest.mark.data
def test_a_saved_student_loads_without_this_package(student, sentences, tmp_path):
    texts = [sentences[code][i] for code in sentences for i in range(0, 300, 30)]
    student.save_pretrained(str(tmp_path / "student"))
    np.save(tmp_path / "texts.npy", np.array(texts))
    program = (
        "import sys\n"
        "sys.modules['lingualign'] = None  # an import of it would fail\n"
        "import numpy as np\n"
        "from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(sys.argv[1] + '/student', device='cpu')\n"
        "np.save(sys.argv[1] + '/vectors.npy', model.encode(np.load(sys.argv[1] + '/texts.npy').tolist()))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True)
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), student.encode(texts))


@pytest.mark.data
def test_new_pieces_start_small_and_the_seed_decides_them(minilm, student, sentences):
    few = {code: texts[:200] for code, texts in sentences.items()}
    one, same, other = (
        static_student(minilm, few, anchor="en", vocabulary=500, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert one.tokenizer.to_str() == same.tokenizer.to_str() == other.tokenizer.to_str()
    assert torch.equal(one.embedding.weight, same.embedding.weight)
    assert not torch.equal(one.embedding.weight, other.embedding.weight)
    weights, vocabulary = student[0].embedding.weight, student.tokenizer.get_vocab()
    new = [row for piece, row in vocabulary.items() if any("а" <= letter <= "я" for letter in piece[2:])]
    known = [row for piece, row in vocabulary.items() if piece.isascii() and piece.isalpha()]
    assert len(new) > 1000
    assert weights[new].std() < weights[known].std() / 3


def test_a_teacher_that_is_itself_static_is_refused():
    with pytest.raises(InputError, match="StaticEmbedding has no token embeddings"):
        static_student(tiny(), {"en": ["a"], "fr": ["b"]}, anchor="en")
