"""What is seen of a GAN's update equals plain NumPy, and is the same on any number of devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxgen.devices import parallel
from jaxgen.losses import adversarial
from jaxgen.ops.random import DATA_AXIS, example_ids, example_uniform
from jaxgen.recipes import observations
from jaxgen.recipes.base import average_over_devices
from tests.helpers.devices import spread


def on_devices(count, batch, function, *arrays):
    """`function` of each device's share of [B, ...] arrays, averaged over `count` devices."""

    def run(*shares):
        return average_over_devices(function(*shares))

    mesh = parallel.make_mesh(count)
    mapped = jax.shard_map(run, mesh=mesh, in_specs=P(DATA_AXIS), out_specs=P(), check_vma=count > 1)
    return jax.device_get(jax.jit(mapped)(*(spread(x, count) for x in arrays)))


of_pairs = jax.jit(observations.of_pairs)


def by_hand(reals, fakes):
    """Distances between all pairs, one after the other, in float64."""
    pairs = [(i, j) for i in range(len(reals)) for j in range(i)]
    real, fake = (np.array([np.linalg.norm(x[i].astype(np.float64) - x[j]) for i, j in pairs]) for x in (reals, fakes))
    near = [np.mean(d < 0.2 * real.mean()) for d in (fake, real)]
    return {"pair_distance_ratio": fake.mean() / real.mean(), "alike_fake": near[0], "alike_real": near[1]}


def ring(rng, modes, count=32):
    angles = 2 * np.pi * rng.choice(modes, count) / 8
    return (np.stack([np.cos(angles), np.sin(angles)], 1) + 0.02 * rng.normal(size=(count, 2))).astype(np.float32)


def test_pairs_equal_numpy():
    rng = np.random.default_rng(0)
    reals, fakes = ring(rng, range(8)), ring(rng, [1, 5])
    expected = by_hand(reals, fakes)
    assert expected["alike_fake"] > 0.4 > expected["alike_real"] > 0
    found = of_pairs(reals, fakes)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name


def test_pairs_far_from_zero_keep_their_digits():
    rng = np.random.default_rng(1)
    reals, small = rng.normal(size=(32, 50)).astype(np.float32), rng.normal(size=(32, 50)).astype(np.float32)
    found = of_pairs(reals, np.float32(1000) + np.float32(1e-2) * small)
    expected = by_hand(reals, np.float32(1000) + np.float32(1e-2) * small)
    assert float(found["pair_distance_ratio"]) == pytest.approx(expected["pair_distance_ratio"], rel=1e-2)


def test_a_constant_generator_is_all_alike_and_constant_data_is_no_collapse():
    reals, same = np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32), np.ones((8, 3), np.float32)
    found = {name: float(value) for name, value in of_pairs(reals, same).items()}
    assert found == {"pair_distance_ratio": 0.0, "alike_fake": 1.0, "alike_real": found["alike_real"]}
    assert found["alike_real"] < 0.2
    found = of_pairs(same, same)
    assert {name: float(value) for name, value in found.items()} == {
        "pair_distance_ratio": 1.0,
        "alike_fake": 0.0,
        "alike_real": 0.0,
    }
    assert observations.of_pairs(reals[:1], same[:1]) == {}


@pytest.mark.parametrize("shape", [(28, 28, 1), (5, 24, 3), (2,)])
def test_thumbnails_are_the_first_examples_of_the_global_batch_and_of_the_first_part(shape):
    images = np.random.default_rng(3).normal(size=(48, *shape)).astype(np.float32)
    expected = images[:32]
    if len(shape) == 3:
        height, width = (max(1, side // 8) for side in shape[:2])
        high, wide = shape[0] // height, shape[1] // width
        blocks = [
            images[:32, i * height : (i + 1) * height, j * width : (j + 1) * width].mean((1, 2))
            for i in range(high)
            for j in range(wide)
        ]
        expected = np.stack(blocks, 1)
    for devices in (1, 4):
        found = on_devices(devices, 48, lambda x: [observations.thumbnails(x, n, 3) for n in (0, 1)], images)
        # Of three parts, whose mean is taken.
        np.testing.assert_allclose(found[0], 3 * expected.reshape(32, -1), atol=1e-5)
        assert not found[1].any()


@pytest.mark.parametrize("batch", [4, 36])
def test_slopes_are_those_of_the_critic_at_the_first_examples_of_the_batch(batch):
    rng = np.random.default_rng(4)
    reals, fakes = (rng.normal(size=(batch, 3, 2)).astype(np.float32) for _ in range(2))
    labels, key = np.arange(batch, dtype=np.int32), jax.random.key(5)

    def critic(x, labels):  # its gradient at x is the label times x
        return 0.5 * labels * jnp.sum(jnp.square(x), axis=(1, 2))

    def observe(reals, fakes, labels):
        ids = example_ids(len(reals))
        return observations.Observer(distance=True).of_slopes(critic, {}, reals, fakes, labels, key, ids)

    chosen = np.arange(min(8, batch))
    eps = np.asarray(example_uniform(key, jnp.asarray(chosen), (1, 1)))
    points = eps * reals[chosen] + (1 - eps) * fakes[chosen]
    slopes = labels[chosen] * np.linalg.norm(points.reshape(len(chosen), -1), axis=1)
    for devices in (1, 4):
        found = on_devices(devices, batch, observe, reals, fakes, labels)
        assert float(found["lipschitz"]) == pytest.approx(slopes.mean(), rel=1e-5)
        assert found["lipschitz_max"].shape == (devices,)
        assert float(found["lipschitz_max"].max()) == pytest.approx(slopes.max(), rel=1e-5)


def test_slopes_are_taken_of_critics_only():
    x = np.ones((4, 2), np.float32)
    assert observations.Observer().of_slopes(None, {"batch_stats": {}}, x, x, None, None, None) == {}
    critics = [
        (observations.Observer(distance=True), {}),
        (observations.Observer(penalized=True), {}),
        (observations.Observer(), {"spectral_norm": {}}),
    ]

    def observe(x):
        key, ids = jax.random.key(0), example_ids(4)
        return [o.of_slopes(lambda x, _: 3 * x[:, 0], stats, x, x, None, key, ids) for o, stats in critics]

    for found in on_devices(1, 4, observe, x):
        assert {name: float(np.max(value)) for name, value in found.items()} == {"lipschitz": 3.0, "lipschitz_max": 3.0}


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("non_saturating", {"accuracy_real": 0.75, "accuracy_fake": 0.5}),
        ("saturating", {"accuracy_real": 0.75, "accuracy_fake": 0.5}),
        ("hinge", {"accuracy_real": 0.75, "accuracy_fake": 0.5}),
        ("least_squares", {"accuracy_real": 0.5, "accuracy_fake": 0.75}),
        ("wasserstein", {"wasserstein_estimate": 0.825 - 0.05}),
    ],
)
def test_accuracy_is_the_share_on_the_right_side_and_critics_have_a_distance(loss, expected):
    real, fake = jnp.array([-0.2, 0.3, 0.7, 2.5]), jnp.array([-1.0, -0.5, 0.4, 1.3])
    chosen = adversarial.CHOICES[loss]
    found = observations.Observer(chosen.boundary, chosen.distance).of_logits(real, fake)
    found = {name: float(value) for name, value in found.items()}
    assert found == pytest.approx({"real_logits": 0.825, "fake_logits": 0.05, **expected})
