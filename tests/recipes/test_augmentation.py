"""ADA's strength: steps of one size towards its target, once an interval, inside [0, 1]."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.recipes.augmentation import Augmentation


def run(signs, *, initial=0.0, target=0.6, interval=4, kimg=1.0, batch=50):
    augmentation = Augmentation(None, initial, target, interval, kimg, batch)
    strength, history = augmentation.init(), []
    for step, sign in enumerate(signs):
        strength = augmentation.adapted(strength, jnp.float32(sign), jnp.int32(step))
        history.append(float(strength.p))
    return history


def test_moves_by_images_over_kimg_once_an_interval():
    # 50 images * 4 steps of 1,000: 0.2; the first step counts alone, then means over four.
    assert run([1.0] * 9) == pytest.approx([0.2] * 4 + [0.4] * 4 + [0.6])
    signs = [0.7, 1.0, 0.2, 0.2, 0.9]  # mean of the last four 0.575, below the target
    assert run(signs) == pytest.approx([0.2] * 4 + [0.0])


def test_stays_a_probability():
    assert max(run([1.0] * 100)) == 1.0
    assert min(run([-1.0] * 20, initial=0.3)) == 0.0
    history = run([1.0] * 100 + [-1.0] * 8)
    assert history[-1] < 1  # and comes back at once: nothing has piled up beyond 1


def test_without_a_target_it_stays():
    np.testing.assert_allclose(run([1.0] * 5, initial=0.3, target=0.0), 0.3, rtol=1e-6)
