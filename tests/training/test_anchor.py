"""The projection of the anchor term keeps the teacher's similarities as well as any can."""

from __future__ import annotations

import numpy as np
import torch

from lingualign.training.labels import anchor_projection


def test_no_projection_of_so_few_dimensions_keeps_the_similarities_better():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(50, 12)) * np.geomspace(3, 0.1, 12)
    similarities = vectors @ vectors.T
    projection = anchor_projection(vectors, 5).double().numpy()
    np.testing.assert_allclose(projection.T @ projection, np.eye(5), atol=1e-6)
    kept = vectors @ projection @ projection.T @ vectors.T
    # The best approximation of rank 5 there is, from another decomposition.
    u, s, _ = np.linalg.svd(similarities)
    best = u[:, :5] * s[:5] @ u[:, :5].T
    np.testing.assert_allclose(
        np.linalg.norm(similarities - kept), np.linalg.norm(similarities - best), rtol=1e-4
    )


def test_the_projection_does_not_depend_on_the_order_of_the_sample_nor_on_a_sign():
    vectors = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float16)
    one, other = anchor_projection(vectors, 3), anchor_projection(-vectors[::-1], 3)
    torch.testing.assert_close(one, other)


def test_a_student_of_as_many_dimensions_needs_none():
    assert anchor_projection(np.ones((3, 4)), 4) is None
