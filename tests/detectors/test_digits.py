"""Values fall between the edges that a binary search finds for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.detectors.digits import Digitiser

NUMBERS = st.floats(-1e308, 1e308)
ROWS = st.lists(st.lists(NUMBERS, max_size=12, unique=True).map(sorted), min_size=1, max_size=4)


def searched(edges, values):
    return [
        np.searchsorted(of_row, row, side="left").tolist() for of_row, row in zip(edges, values, strict=True)
    ]


@given(edges=ROWS, others=st.lists(NUMBERS, max_size=10))
def test_every_value_finds_its_place_at_and_beside_each_edge_too(edges, others):
    at = np.array([*others, *(edge for of_row in edges for edge in of_row), 0.0])
    values = np.tile(
        np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]), (len(edges), 1)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        assert Digitiser(edges).places(values).tolist() == searched(edges, values)


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_edges_of_a_long_tail_are_told_apart_beside_even_ones(spread):
    rng = np.random.default_rng(1)
    edges = [np.sort(rng.lognormal(0.0, spread * row, 19)).tolist() for row in range(3)]
    values = rng.lognormal(0.0, 4.0, (3, 500))
    assert Digitiser(edges).places(values).tolist() == searched(edges, values)
