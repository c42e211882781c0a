"""Vectors in a byte per number: near what they were made of, and the same however they are put together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.rounded import BLOCK, Rounded


def made(seed: int, count: int, dim: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def rounded(vectors: np.ndarray) -> Rounded:
    found = Rounded.empty(*vectors.shape)
    found.put(0, vectors)
    return found


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 64), st.floats(1e-20, 1e20))
def test_products_are_near_those_of_the_vectors_themselves(
    seed: int, count: int, dim: int, scale: float
) -> None:
    vectors = made(seed, count, dim) * np.float32(scale)
    query = made(seed + 1, 1, dim)[0]
    query /= np.linalg.norm(query)
    found = rounded(vectors)
    steps = np.abs(vectors).max(axis=1, initial=0) / 127
    assert np.all(np.abs(found.times(query) - vectors @ query) <= 0.51 * steps * np.sqrt(dim))
    assert np.all(np.abs(found.spelled() - vectors) <= 0.51 * steps[:, None])


def test_cosines_of_unit_vectors_are_right_to_a_thousandth_or_two() -> None:
    vectors = made(3, 3 * BLOCK + 7, 512)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for query in vectors[:20]:
        off = np.abs(rounded(vectors).times(query) - vectors @ query)
        assert off.max() < 0.002
        assert off.mean() < 0.0005


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_the_size_of_a_block_is_not_seen(count: int) -> None:
    vectors = made(5, count, 9)
    found = rounded(vectors)
    query = made(6, 1, 9)[0]
    together = found.times(query)
    assert together.shape == (count,)
    one_by_one = [found.taken(np.array([row])).times(query)[0] for row in range(count)]
    assert np.allclose(together, one_by_one, rtol=1e-5, atol=1e-6)


def test_nothing_is_rounded_twice_and_zeros_stay_zeros() -> None:
    vectors = made(8, 30, 7)
    vectors[4] = 0
    every = rounded(vectors)
    rows = np.array([4, 9, 1])
    some = Rounded.joined([every.taken(rows), every, Rounded.empty(2, 7)])
    assert np.array_equal(some.spelled()[:3], every.spelled()[rows])
    assert np.array_equal(some.spelled()[3:-2], every.spelled())
    assert not some.spelled()[[0, -1, -2]].any()
    again = rounded(every.spelled())
    assert np.array_equal(again.numbers, every.numbers)


def test_a_store_without_vectors_has_none() -> None:
    assert (
        rounded(np.zeros((5, 0), dtype=np.float32)).times(np.zeros(0, dtype=np.float32)).tolist() == [0] * 5
    )


def test_it_takes_a_byte_for_a_number() -> None:
    assert rounded(made(1, 100, 512)).nbytes == 100 * (512 + 4)
