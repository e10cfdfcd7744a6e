from __future__ import annotations

import copy

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding

from lingualign.embedding import encode, encode_batches, fingerprint
from lingualign.embedding.encoders import encode_with, open_encoder
from lingualign.errors import InputError

FIVE = [
    "The bakery on the corner opens at six.",
    "La boulangerie du coin ouvre à six heures.",
    "角のパン屋は六時に開きます。",
    "모퉁이 빵집은 여섯 시에 문을 엽니다.",
    "Пекарня на углу открывается в шесть.",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def static(minilm) -> SentenceTransformer:
    weights = torch.randn(minilm.tokenizer.vocab_size, 32, generator=torch.Generator().manual_seed(1))
    return SentenceTransformer(
        modules=[
            StaticEmbedding(
                minilm.tokenizer._tokenizer.from_str(minilm.tokenizer._tokenizer.to_str()), weights
            )
        ],
        device="cpu",
    )


def reference(model: SentenceTransformer, sentences: list[str], **options: object) -> np.ndarray:
    return np.stack([model.encode(sentence, **options) for sentence in sentences])


@pytest.mark.data
@pytest.mark.parametrize("normalize", [True, False])
def test_agrees_with_sentence_transformers_on_real_sentences(minilm, data, normalize):
    sentences = ["", "a", "long " * 2_000]
    for file in ("tatoeba/en-fr", "tatoeba/ja-ko", "tatoeba/ko-ru"):
        table = pq.read_table(data / "train" / f"{file}.parquet").slice(0, 12)
        sentences += [*table["sentence1"].to_pylist(), *table["sentence2"].to_pylist()]
    ours = encode(minilm, sentences, precision="fp32", normalize=normalize, batch_tokens=100)
    theirs = reference(minilm, sentences, normalize_embeddings=normalize)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_prompt_padding_and_pooling_agree_with_sentence_transformers(minilm, side, include_prompt, pooling):
    model = SentenceTransformer(modules=[minilm[0], Pooling(384, pooling, include_prompt)], device="cpu")
    before, model.tokenizer.padding_side = model.tokenizer.padding_side, side
    try:
        ours = encode(model, FIVE, prompt="query: ", precision="fp32", batch_tokens=40)
        # All in one padded batch: with padding on the left, absolute positions move with the padding, so only
        # the batches that have the same padding are comparable.
        if side == "left":
            theirs = {}
            for rows, _ in encode_batches(model, FIVE, prompt="query: ", batch_tokens=40):
                batch = model.encode([FIVE[row] for row in rows], prompt="query: ", normalize_embeddings=True)
                theirs |= dict(zip(rows.tolist(), batch, strict=True))
            expected = np.stack([theirs[row] for row in range(len(FIVE))])
        else:
            expected = reference(model, FIVE, prompt="query: ", normalize_embeddings=True)
    finally:
        model.tokenizer.padding_side = before
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_default_prompt_of_the_model_is_taken_where_none_is_given(minilm):
    model = SentenceTransformer(
        modules=list(minilm), prompts={"query": "query: "}, default_prompt_name="query", device="cpu"
    )
    np.testing.assert_allclose(encode(model, FIVE, precision="fp32"), model.encode(FIVE), atol=1e-5)
    np.testing.assert_allclose(
        encode(model, FIVE, prompt="", precision="fp32"), model.encode(FIVE, prompt=""), atol=1e-5
    )


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=40))
def test_static_model_gives_every_sentence_its_own_vector_in_order(static, sentences):
    ours = encode(static, sentences)
    assert ours.shape == (len(sentences), 32)
    if sentences:
        np.testing.assert_allclose(ours, reference(static, sentences, normalize_embeddings=True), atol=1e-5)


def test_each_distinct_sentence_reaches_the_model_once_within_the_token_budget(minilm):
    seen = []
    hook = minilm[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]["input_ids"].shape))
    sentences = [*FIVE, *FIVE, "short", "short"]
    try:
        vectors = encode(minilm, sentences, batch_tokens=64)
    finally:
        hook.remove()
    assert sum(rows for rows, _ in seen) == 6
    assert all(rows * width <= 64 or rows == 1 for rows, width in seen)
    np.testing.assert_array_equal(vectors[:5], vectors[5:10])


def test_truncated_dimensions_are_normalised_after_the_cut(minilm):
    with minilm.truncate_embeddings(16):
        ours = encode(minilm, FIVE, precision="fp32")
        theirs = minilm.encode(FIVE, normalize_embeddings=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_bf16_stays_close_to_fp32(minilm):
    cosines = (encode(minilm, FIVE, precision="bf16") * encode(minilm, FIVE, precision="fp32")).sum(axis=1)
    assert cosines.min() > 0.999


def test_training_modes_are_restored_module_by_module(minilm):
    minilm.train()
    minilm[0].eval()
    before = {name: module.training for name, module in minilm.named_modules()}
    try:
        encode(minilm, ["a"])
        assert {name: module.training for name, module in minilm.named_modules()} == before
    finally:
        minilm.eval()


@pytest.mark.parametrize(
    ("sentences", "options", "message"),
    [
        ("text", {}, "single text"),
        (["a", None], {}, r"sentences\[1\] is None \(NoneType\)"),
        (["a", "\ud800"], {}, r"sentences\[1\] is not valid Unicode"),
        (["a"], {"precision": "fp8"}, "precision is 'fp8': it must be 'auto', 'bf16' or 'fp32'"),
        (["a"], {"batch_tokens": 0}, "batch_tokens is 0"),
    ],
)
def test_bad_input_is_named(minilm, sentences, options, message):
    with pytest.raises(InputError, match=message):
        encode(minilm, sentences, **options)


def test_a_model_that_gives_nan_is_reported_with_the_sentence(static):
    weights = static[0].embedding.weight.detach().clone()
    token = static.tokenizer.encode("dogs", add_special_tokens=False).ids[0]
    try:
        with torch.no_grad():
            static[0].embedding.weight[token] = float("nan")
        with pytest.raises(InputError, match="NaN or infinite values for the sentence 'two dogs'"):
            encode(static, ["a cat", "two dogs"])
    finally:
        with torch.no_grad():
            static[0].embedding.weight.copy_(weights)


def narrowed(
    model: SentenceTransformer, dtype: torch.dtype
) -> tuple[SentenceTransformer, SentenceTransformer]:
    """A copy of a model in a narrower precision, and one of the same weights in single precision."""
    narrow = copy.deepcopy(model).to(dtype)
    return narrow, copy.deepcopy(narrow).float()


@pytest.mark.parametrize("kind", ["minilm", "static"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_single_precision_is_that_of_the_arithmetic_whatever_the_weights_are_in(
    request, kind, dtype, tmp_path
) -> None:
    narrow, wide = narrowed(request.getfixturevalue(kind), dtype)
    expected = encode(wide, FIVE, precision="fp32")
    np.testing.assert_array_equal(encode(narrow, FIVE, precision="fp32"), expected)
    assert {tensor.dtype for tensor in narrow.parameters()} == {dtype}
    narrow.save_pretrained(str(tmp_path), create_model_card=False)
    saved = open_encoder(str(tmp_path), precision="fp32")
    assert saved.fingerprint == fingerprint(narrow)
    np.testing.assert_array_equal(encode_with(saved, FIVE), expected)
    # Torch's kernels for processors take no half precision beside bf16.
    np.testing.assert_allclose(encode(narrow, FIVE, precision="bf16"), expected, atol=0.02)


def test_an_autocast_of_others_does_not_reach_single_precision(minilm) -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # One for the whole process: a trainer may have made it, in another precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    model = copy.deepcopy(minilm)
    expected = encode(model, FIVE, precision="fp32")
    Accelerator(mixed_precision="bf16", cpu=True).prepare_model(model)
    wrapped = model.forward
    np.testing.assert_array_equal(encode(model, FIVE, precision="fp32"), expected)
    assert model.forward == wrapped
    AcceleratorState._reset_state(reset_partial_state=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(encode(minilm, FIVE, precision="fp32"), expected)


def test_an_unset_prompt_is_the_models_own_everywhere(minilm, tmp_path) -> None:
    from lingualign.teacher import TeacherStore
    from lingualign.training.tokens import TokenIds

    model = copy.deepcopy(minilm)
    model.prompts["e5"], model.default_prompt_name = "query: ", "e5"
    for prompt, meant in ((None, "query: "), ("", ""), ("passage: ", "passage: ")):
        expected = encode(minilm, FIVE, prompt=meant)
        np.testing.assert_array_equal(encode(model, FIVE, prompt=prompt), expected)
        np.testing.assert_array_equal(encode_with(open_encoder(model, prompt=prompt), FIVE), expected)
        store = TeacherStore.for_model(tmp_path, model, prompt=prompt)
        assert store.folder == TeacherStore.for_model(tmp_path, minilm, prompt=meant).folder
        ids = [TokenIds(one, FIVE, prompt=text) for one, text in ((model, prompt), (minilm, meant))]
        features = [one.features(np.arange(len(FIVE)))["input_ids"] for one in ids]
        assert torch.equal(*features)
