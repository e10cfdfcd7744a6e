"""The losses as sentence-transformers calls them, on tiny students of both kinds and on real pairs."""

from __future__ import annotations

from itertools import combinations

import pytest
import reference_losses as plain
import torch
from tiny_students import gradients, sentences, tiny_encoder, tiny_static

from lingualign.losses import DistillationLoss, SoftContrastiveLoss, TranslationRankingLoss
from lingualign.losses.in_batch import cut_by_length
from lingualign.losses.in_batch import embed as embed_parts

LABELS = {"priority": 1, "average": 2, "hard": 2}
STUDENTS = {"encoder": tiny_encoder, "static": tiny_static}


@pytest.fixture(params=sorted(STUDENTS))
def student(request: pytest.FixtureRequest):
    return STUDENTS[request.param]()


def teacher_vectors(pairs: int, views: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(pairs, views, 7, generator=torch.Generator().manual_seed(seed))


def embed(model, *columns: list[str]) -> list[torch.Tensor]:
    return [model(model.preprocess(column))["sentence_embedding"] for column in columns]


def total(terms: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the trainer makes of the named terms."""
    return torch.stack(list(terms.values())).sum()


def assert_same_gradients(model, one, other, rtol=1e-4, atol=1e-5) -> None:
    first, second = gradients(model, one), gradients(model, other)
    assert first.keys() == second.keys()
    for name, gradient in first.items():
        # Sums of single precision: what is near 0 in a tensor is as wrong as what is large in it.
        size = max(1.0, float(second[name].abs().max()))
        torch.testing.assert_close(gradient, second[name], rtol=rtol, atol=atol * size)


@pytest.mark.parametrize("label", sorted(LABELS))
@pytest.mark.parametrize("tcm", [False, True])
@pytest.mark.parametrize("diagonal", [True, False])
def test_soft_contrastive_loss_is_the_formula(student, label, tcm, diagonal):
    x, y = sentences(7, 1), sentences(7, 2)
    x[3], y[5], y[6] = x[0], y[1], y[1]  # repeated sentences, which matter to a hard label only
    teacher = teacher_vectors(7, LABELS[label])
    loss = SoftContrastiveLoss(
        student,
        temperature=0.1,
        teacher_temperature=0.2,
        label=label,
        tcm=tcm,
        cross_weight=0.4,
        monolingual_diagonal=diagonal,
    )

    def ours():
        terms = loss([student.preprocess(x), student.preprocess(y)], teacher)
        assert list(terms) == ["cross_lingual", "monolingual"][: 1 + tcm]
        return total(terms)

    def formula():
        return plain.soft_contrastive(
            *embed(student, x, y),
            label,
            teacher,
            0.1,
            0.2,
            cross_weight=0.4 if tcm else None,
            diagonal=diagonal,
            sentences=(x, y) if label == "hard" else None,
        )

    torch.testing.assert_close(ours().double(), formula(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(student, ours, formula)


@pytest.mark.parametrize("negatives", [0, 1, 3])
def test_translation_ranking_loss_is_the_formula(student, negatives):
    columns = [sentences(6, seed) for seed in range(2 + negatives)]
    columns[0][4], columns[1][2] = columns[0][1], columns[1][5]
    if negatives:
        columns[2][0] = columns[1][3]  # a hard negative that is the translation of another pair
        columns[-1][2] = columns[1][2]  # and one that is the pair's own, for want of a negative
    loss = TranslationRankingLoss(student, temperature=0.07)

    def ours():
        return total(loss([student.preprocess(column) for column in columns]))

    def formula():
        x, y, *hard = embed(student, *columns)
        return plain.translation_ranking(x, y, hard, 0.07, columns)

    torch.testing.assert_close(ours().double(), formula(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(student, ours, formula)


def test_distillation_loss_is_the_formula(student):
    x, y = sentences(5, 1), sentences(5, 2)
    teacher = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    loss = DistillationLoss(student)
    for labels in (teacher, teacher[:, None]):
        terms = loss([student.preprocess(x), student.preprocess(y)], labels)
        expected = plain.distillation(*embed(student, x, y), teacher)
        torch.testing.assert_close(total(terms).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("label", sorted(LABELS))
@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("mini_batch_size", [None, 4])
def test_more_columns_are_the_mean_over_their_language_pairs(label, diagonal, mini_batch_size):
    student, languages = tiny_encoder(), 4
    columns = [sentences(6, seed) for seed in range(languages)]
    columns[1][4], columns[2][0] = columns[1][3], columns[2][5]
    teacher = teacher_vectors(6, languages)
    loss = SoftContrastiveLoss(
        student,
        label=label,
        tcm=True,
        monolingual_diagonal=diagonal,
        anchor_weight=0.0 if label == "hard" else 0.7,
        mini_batch_size=mini_batch_size,
    )

    def together():
        return total(loss([student.preprocess(column) for column in columns], teacher))

    def pair_by_pair():
        losses = []
        for a, b in combinations(range(languages), 2):
            views = teacher[:, [0]] if label == "priority" else teacher[:, [a, b]]
            # The anchor stays the first language's, whichever two are compared.
            anchored = None if label == "hard" else (teacher[:, 0], 0.7)
            losses.append(
                plain.soft_contrastive(
                    *embed(student, columns[a], columns[b]),
                    label,
                    views,
                    0.1,
                    0.1,
                    cross_weight=1 / 3,
                    diagonal=diagonal,
                    sentences=(columns[a], columns[b]) if label == "hard" else None,
                    anchored=anchored,
                )
            )
        return sum(losses) / len(losses)

    torch.testing.assert_close(together().double(), pair_by_pair(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(student, together, pair_by_pair)


@pytest.mark.parametrize("label", ["priority", "average"])
@pytest.mark.parametrize("projected", [False, True])
def test_the_anchor_term_is_the_formula(student, label, projected):
    x, y = sentences(6, 1), sentences(6, 2)
    teacher = teacher_vectors(6, LABELS[label])
    projection = torch.randn(7, 16, generator=torch.Generator().manual_seed(3)) if projected else None
    loss = SoftContrastiveLoss(
        student, label=label, teacher_temperature=0.3, anchor_weight=0.4, anchor_projection=projection
    )

    def ours():
        terms = loss([student.preprocess(x), student.preprocess(y)], teacher)
        assert list(terms) == ["cross_lingual", "anchor"]
        return total(terms)

    def formula():
        anchor = teacher[:, 0] @ projection if projected else teacher[:, 0]
        return plain.soft_contrastive(*embed(student, x, y), label, teacher, 0.1, 0.3, anchored=(anchor, 0.4))

    torch.testing.assert_close(ours().double(), formula(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(student, ours, formula)
    loss.anchor_weight = 0.0  # as a schedule would
    assert list(loss([student.preprocess(x), student.preprocess(y)], teacher)) == ["cross_lingual"]


@pytest.mark.data
def test_soft_labels_on_real_pairs(data, minilm):
    import pyarrow.parquet as pq

    table = pq.read_table(data / "train" / "tatoeba" / "en-fr.parquet").slice(1000, 32).to_pydict()
    english, french = table["sentence1"], table["sentence2"]
    teacher = torch.from_numpy(minilm.encode(english))
    student = tiny_static()
    x, y = minilm.encode(english, convert_to_tensor=True), minilm.encode(french, convert_to_tensor=True)
    for tcm in (False, True):
        loss = SoftContrastiveLoss(student, tcm=tcm)
        expected = plain.soft_contrastive(
            x, y, "priority", teacher[:, None], 0.1, 0.1, cross_weight=1 / 3 if tcm else None
        )
        got = total(loss.terms([x.clone(), y.clone()], teacher))
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
    # At the paper's temperature the label of real sentences is neither hard nor flat.
    assert 0.05 < float(loss.diagnostics["label_entropy"]) < 0.95 * torch.tensor(32.0).log()


@pytest.mark.parametrize("mini_batch_size", [None, 4])
def test_the_dimensions_that_encode_keeps_are_trained(mini_batch_size):
    student = tiny_encoder()
    student.truncate_dim = 6
    x, y, teacher = sentences(5, 1), sentences(5, 2), teacher_vectors(5, 1)
    loss = SoftContrastiveLoss(student, mini_batch_size=mini_batch_size)

    def ours():
        return total(loss([student.preprocess(x), student.preprocess(y)], teacher))

    def formula():
        kept = [side[:, :6] for side in embed(student, x, y)]
        return plain.soft_contrastive(*kept, "priority", teacher, 0.1, 0.1)

    torch.testing.assert_close(ours().double(), formula(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(student, ours, formula)
    distilled = DistillationLoss(student)([student.preprocess(x), student.preprocess(y)], torch.randn(5, 6))
    assert torch.isfinite(total(distilled))


@pytest.mark.parametrize("kind", ["soft", "hard", "anchor", "ranking"])
def test_a_zero_vector_has_no_gradient_in_any_loss(kind):
    student = tiny_encoder()
    if kind == "ranking":
        loss = TranslationRankingLoss(student)
    else:
        label = "hard" if kind == "hard" else "priority"
        loss = SoftContrastiveLoss(student, label=label, tcm=True, anchor_weight=0.5 * (kind == "anchor"))
    columns = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    columns[0, 2] = columns[1, 4] = 0
    columns.requires_grad_()
    hashes = list(torch.arange(10).reshape(2, 5))
    total(loss.terms(columns.unbind(), teacher_vectors(5, 1), hashes)).backward()
    assert not columns.grad[0, 2].any()
    assert not columns.grad[1, 4].any()
    assert 0 < columns.grad.abs().max() < 100


# Mini-batches: the terms are the same code, so what is proved is that embedding in parts changes nothing.


@pytest.mark.parametrize("mini_batch_size", [1, 3, 8, 100])
@pytest.mark.parametrize("label", sorted(LABELS))
def test_mini_batches_change_neither_terms_nor_gradients(mini_batch_size, label):
    student = tiny_encoder()
    x, y, teacher = sentences(8, 1), sentences(8, 2), teacher_vectors(8, LABELS[label])
    x[5] = x[2]
    whole = SoftContrastiveLoss(student, label=label, tcm=True)
    parts = SoftContrastiveLoss(student, label=label, tcm=True, mini_batch_size=mini_batch_size)
    results = {}
    for loss in (whole, parts):
        terms = loss([student.preprocess(x), student.preprocess(y)], teacher)
        results[loss] = {**terms, **loss.diagnostics}
    assert list(results[whole]) == list(results[parts])
    for name, value in results[whole].items():
        torch.testing.assert_close(results[parts][name].detach(), value.detach(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(
        student,
        lambda: total(whole([student.preprocess(x), student.preprocess(y)], teacher)),
        lambda: total(parts([student.preprocess(x), student.preprocess(y)], teacher)),
        rtol=1e-5,
        atol=1e-5,
    )


def test_mini_batches_change_nothing_for_translation_ranking():
    student = tiny_encoder()
    columns = [sentences(7, seed) for seed in range(4)]
    whole, parts = TranslationRankingLoss(student), TranslationRankingLoss(student, mini_batch_size=3)
    assert_same_gradients(
        student,
        lambda: total(whole([student.preprocess(column) for column in columns])),
        lambda: total(parts([student.preprocess(column) for column in columns])),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("mini_batch_size", [3, 8])
def test_dropout_is_the_same_in_both_passes_of_a_mini_batch(mini_batch_size):
    student = tiny_encoder(dropout=0.3).train()
    x, y, teacher = sentences(8, 1), sentences(8, 2), teacher_vectors(8, 1)
    parts = SoftContrastiveLoss(student, tcm=True, mini_batch_size=mini_batch_size)
    whole = SoftContrastiveLoss(student, tcm=True)

    def in_parts():
        torch.manual_seed(5)
        return total(parts([student.preprocess(x), student.preprocess(y)], teacher))

    def same_masks():
        torch.manual_seed(5)
        parts_of_batch = cut_by_length([student.preprocess(x), student.preprocess(y)], mini_batch_size)
        return total(whole.terms(embed_parts(student, parts_of_batch), teacher))

    torch.testing.assert_close(in_parts(), same_masks(), rtol=1e-5, atol=1e-5)
    assert_same_gradients(student, in_parts, same_masks, rtol=1e-5, atol=1e-5)


def test_mini_batches_scale_with_the_gradient_they_are_given():
    student = tiny_encoder()
    features = [sentences(5, 1), sentences(5, 2)]
    loss = SoftContrastiveLoss(student, tcm=True, mini_batch_size=2)
    teacher = teacher_vectors(5, 1)

    def compute():
        return total(loss([student.preprocess(column) for column in features], teacher))

    single, accumulated = gradients(student, compute), gradients(student, lambda: compute() / 4)
    for name, gradient in single.items():
        torch.testing.assert_close(accumulated[name], gradient / 4, rtol=1e-5, atol=1e-7)


def test_mini_batches_evaluate_without_gradients():
    student = tiny_encoder().eval()
    x, y, teacher = sentences(5, 1), sentences(5, 2), teacher_vectors(5, 1)
    with torch.no_grad():
        one, other = (
            SoftContrastiveLoss(student, mini_batch_size=size)(
                [student.preprocess(x), student.preprocess(y)], teacher
            )["cross_lingual"]
            for size in (None, 2)
        )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert not other.requires_grad


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "temperature is 0; it must be greater than 0"),
        ({"teacher_temperature": float("nan")}, "teacher_temperature is nan"),
        ({"label": "soft"}, "label is 'soft'; allowed are 'priority', 'average' and 'hard'"),
        ({"cross_weight": 1.5}, r"cross_weight is 1.5; it must lie in \[0, 1\]"),
        ({"anchor_weight": -1}, "anchor_weight is -1; it must be 0 or more"),
        ({"anchor_weight": 1, "label": "hard"}, "the hard label has no teacher whose space"),
        ({"mini_batch_size": 0}, "mini_batch_size is 0; it must be at least 1"),
        ({"mini_batch_size": 4}, "a static model's batch cannot be cut"),
    ],
)
def test_parameters_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        SoftContrastiveLoss(tiny_static(), **settings)


def test_labels_and_columns_that_do_not_fit():
    student = tiny_static()
    column = student.preprocess(sentences(3, 0))
    pair = [column, student.preprocess(sentences(3, 1))]
    cases = [
        (SoftContrastiveLoss(student), pair, None, r"'label' column of shape \(3, 1, D\)"),
        (SoftContrastiveLoss(student), pair, torch.zeros(3), r"have the shape \(3,\)"),
        (SoftContrastiveLoss(student), pair, torch.zeros(2, 1, 4), r"have the shape \(2, 1, 4\)"),
        (SoftContrastiveLoss(student, label="average"), pair, torch.zeros(3, 4), r"needs \(3, 2, D\)"),
        (SoftContrastiveLoss(student), [column], None, "takes 2 text columns.* but got 1"),
        (
            SoftContrastiveLoss(student, label="average"),
            [*pair, column],
            torch.zeros(3, 2, 4),
            r"needs \(3, 3, D\)",
        ),
        (
            SoftContrastiveLoss(student, anchor_weight=1),
            pair,
            torch.zeros(3, 17),
            r"teacher has 17 dimensions and the student 16: give an anchor_projection of shape \(17, 16\)",
        ),
        (TranslationRankingLoss(student), [column], None, "takes 2 text columns or more.* but got 1"),
        (DistillationLoss(student), pair, torch.zeros(3, 4), "teacher has 4, the student 16"),
    ]
    for loss, features, labels, message in cases:
        with pytest.raises(ValueError, match=message):
            loss(features, labels)


def test_settings_for_the_model_card_name_every_parameter():
    import inspect

    settings = {"mini_batch_size": 4, "temperature": 0.3}
    for kind in (SoftContrastiveLoss, TranslationRankingLoss):
        loss = kind(tiny_encoder(), **settings)
        assert set(loss.get_config_dict()) == set(inspect.signature(kind).parameters) - {"model"}
        assert loss.get_config_dict().items() >= settings.items()
        assert "year = {" in loss.citation
