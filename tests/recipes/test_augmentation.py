"""ADA's strength: steps of one size towards its target, once an interval, inside [0, 1]."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.recipes.augmentation import Augmentation


def run(signs, *, initial=0.0, target=0.6, interval=4, kimg=1.0, batch=50, passes=()):
    augmentation = Augmentation(None, initial, target, interval, kimg, batch)
    strength, history = augmentation.init(), []
    for step, sign in enumerate(signs):
        count = passes[step] if passes else 1
        strength = augmentation.adapted(strength, jnp.float32(sign), jnp.float32(count), jnp.int32(step))
        history.append(float(strength.p))
    return history


def test_moves_by_images_over_kimg_once_an_interval():
    # 50 images * 4 steps of 1,000: 0.2; the first step counts alone, then means over four.
    assert run([1.0] * 9) == pytest.approx([0.2] * 4 + [0.4] * 4 + [0.6])
    signs = [0.7, 1.0, 0.2, 0.2, 0.9]  # mean of the last four 0.575, below the target
    assert run(signs) == pytest.approx([0.2] * 4 + [0.0])


def test_a_second_pass_in_a_step_counts_as_much():
    # Five passes in steps 1 to 4: means 0.5 and 0.7. Divided by four steps the first would lie above the target too.
    assert run([1.0, 0.6, 0.6, 0.6, 0.7], passes=[1, 1, 1, 1, 2])[-1] == pytest.approx(0.0)
    assert run([0.0, 0.5, 0.5, 0.5, 2.0], passes=[1, 1, 1, 1, 2], initial=0.5)[-1] == pytest.approx(0.5)


def test_stays_a_probability():
    assert max(run([1.0] * 100)) == 1.0
    assert min(run([-1.0] * 20, initial=0.3)) == 0.0
    history = run([1.0] * 100 + [-1.0] * 8)
    assert history[-1] < 1  # and comes back at once: nothing has piled up beyond 1


def test_without_a_target_it_stays():
    np.testing.assert_allclose(run([1.0] * 5, initial=0.3, target=0.0), 0.3, rtol=1e-6)
