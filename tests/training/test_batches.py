"""Every example once an epoch, whatever the batch, the parts and the devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxgen.devices.parallel import make_mesh
from jaxgen.ops.random import DATA_AXIS, example_ids
from jaxgen.training.batches import Batching, ResidentSplit, make_batch
from tests.helpers.devices import spread

IMAGES = np.arange(48, dtype=np.uint8).reshape(48, 1, 1, 1) * np.ones((1, 2, 2, 1), np.uint8) * 5
LABELS = np.arange(48, dtype=np.int32)
KEY = jax.random.key(0)


def draw(batching, step, devices=1):
    @partial(
        jax.shard_map,
        mesh=make_mesh(devices),
        in_specs=P(),
        out_specs=P(None, None, DATA_AXIS),
        check_vma=devices > 1,
    )
    def sample(key, step, data):
        ids = example_ids(batching.examples // devices)
        return make_batch(batching, key, step, ids, data)

    return jax.jit(sample)(KEY, jnp.int32(step), ResidentSplit(IMAGES, LABELS))


@pytest.mark.parametrize("sizes", [{}, {"batches": 2}, {"parts": 4}, {"batches": 2, "parts": 2}])
def test_an_epoch_is_every_example_once(sizes):
    batching = Batching(16 // sizes.get("batches", 1), **sizes)
    first = [np.asarray(draw(batching, step).labels) for step in range(3)]
    second = [np.asarray(draw(batching, step).labels) for step in range(3, 6)]
    assert first[0].shape == (batching.batches, batching.parts, batching.examples)
    for epoch in (first, second):
        assert sorted(np.concatenate([x.ravel() for x in epoch])) == list(range(48))
    assert not np.array_equal(np.stack(first), np.stack(second))


def test_a_batch_may_span_two_epochs():
    labels = np.concatenate([np.asarray(draw(Batching(32), step).labels).ravel() for step in range(3)])
    assert sorted(labels[:48]) == sorted(labels[48:]) == list(range(48))


@pytest.mark.parametrize("devices", [2, 4])
def test_devices_share_the_same_batch(devices):
    for batching in (Batching(16, flip=True), Batching(16, parts=2)):
        one, many = draw(batching, 3), draw(batching, 3, devices)
        # Laid device after device: device d has examples d, devices + d, ...
        order = spread(np.arange(batching.examples), devices)
        np.testing.assert_array_equal(one.labels[:, :, order], many.labels)
        np.testing.assert_array_equal(one.images[:, :, order], many.images)


def test_images_and_labels_stay_together_and_in_range():
    batch = draw(Batching(16), 0)
    np.testing.assert_allclose(
        np.asarray(batch.images)[..., 0, 0, 0], np.asarray(batch.labels) * 5 / 127.5 - 1, atol=1e-6
    )


def test_flip_mirrors_about_half_of_the_images_left_to_right():
    images = np.zeros((48, 2, 2, 1), np.uint8)
    images[:, :, 1] = 255
    batching = Batching(48, flip=True)

    def sample(step):
        return make_batch(batching, KEY, step, jnp.arange(48), ResidentSplit(jnp.asarray(images), None))

    drawn = [jax.jit(sample)(jnp.int32(step)) for step in range(10)]
    assert drawn[0].labels is None
    right = np.concatenate([np.asarray(batch.images)[0, 0, :, 0, 1, 0] for batch in drawn])
    assert 0.4 < np.mean(right < 0) < 0.6
    for batch in drawn:
        picture = np.asarray(batch.images)[0, 0, ..., 0]
        np.testing.assert_array_equal(picture[:, 0], picture[:, 1])  # never upside down


@pytest.mark.full
@pytest.mark.parametrize("parts", [1, 2])
def test_the_last_batch_consists_of_labelled_examples_and_the_others_of_all(parts):
    labelled = (3, 40, 17, 8, 9, 30)
    batching = Batching(8, batches=2, parts=parts, labelled=labelled)
    drawn = np.concatenate([np.asarray(draw(batching, step).labels).reshape(2, 1, 8) for step in range(6)], axis=1)
    assert sorted(drawn[0].ravel()) == list(range(48))  # six batches of 8 are an epoch
    assert sorted(drawn[1].ravel()[:42].tolist()) == sorted(7 * labelled)  # 42 examples are seven epochs of 6
    assert not np.array_equal(drawn[1].ravel()[:6], drawn[1].ravel()[6:12])
    order = spread(np.arange(batching.examples), 2)
    np.testing.assert_array_equal(draw(batching, 3).labels[:, :, order], draw(batching, 3, 2).labels)
