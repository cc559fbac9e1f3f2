"""The roofline by hand."""

import pytest

from jaxgen.planning.hardware import Chip, Hardware, roofline
from jaxgen.training.operations import StepCost

CHIP = Chip(teraflops=100, teraflops_float32=50, memory_gib=16, gigabytes_per_second=1000, link_gigabytes_per_second=10)


def test_the_slower_of_products_and_traffic_then_collectives():
    hardware = Hardware("x", CHIP, 4, None, hops=2)
    bound = roofline(hardware, StepCost(1e12, 1e9, 1e12, reduced_bytes=1e9), 2e10, 3)
    assert bound.products == pytest.approx(0.01)
    assert bound.memory == pytest.approx(0.02)
    assert bound.collectives == pytest.approx(2 * 3 / 4 * 0.1 + 3 * 2 * 2e-6)
    assert bound.step == pytest.approx(bound.memory + bound.collectives)
    assert bound.limit == "collectives"
    assert bound.peak_fraction == pytest.approx(bound.products / bound.step)
    exact = roofline(hardware, StepCost(1e12, 0.0, 1e12), 0.0, 0, bfloat16=False)
    assert (exact.products, exact.limit, exact.peak_fraction) == (pytest.approx(0.02), "products", 1.0)


def test_gathered_bytes_travel_once_and_reduced_bytes_twice():
    cost = StepCost(0.0, 3e9, 0.0, reduced_bytes=1e9)
    bound = roofline(Hardware("x", CHIP, 8, None, hops=1), cost, 0.0, 0)
    assert bound.collectives == pytest.approx(7 / 8 * (2 * 0.1 + 0.2))


def test_one_chip_has_no_collectives():
    assert roofline(Hardware("x", CHIP, 1, None, 0), StepCost(1.0, 1e9, 1.0), 1.0, 5).collectives == 0
