"""A user's own model, loss, data set, metric, recipe and likelihood: one file each, named by import path."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The README's 'Extending' shows these files.
FILES = {
    "mine/mlp_gan.py": """
import math

import flax.linen as nn

from jaxgen.models.base import GAN


class Generator(nn.Module):
    image_shape: tuple
    hidden: int

    @nn.compact
    def __call__(self, latents, labels, train):
        x = nn.relu(nn.Dense(self.hidden)(latents))
        return nn.tanh(nn.Dense(math.prod(self.image_shape))(x)).reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
    hidden: int

    @nn.compact
    def __call__(self, images, labels, train):
        x = nn.leaky_relu(nn.Dense(self.hidden)(images.reshape(images.shape[0], -1)), 0.2)
        return nn.Dense(1)(x)[:, 0]


def build(config, image_shape, num_classes, dtype):
    return GAN(Generator(image_shape, config.hidden), Discriminator(config.hidden), config.latent_dim)
""",
    "mine/smooth_loss.py": '''
"""Non-saturating loss with one-sided label smoothing (Salimans et al. 2016)."""

from jax.nn import softplus


def discriminator_loss(real_logits, fake_logits):
    return 0.9 * softplus(-real_logits) + 0.1 * softplus(real_logits) + softplus(fake_logits)


def generator_loss(fake_logits):
    return softplus(-fake_logits)
''',
    "mine/bars.py": '''
import numpy as np

from jaxgen.data.base import Dataset, Split


def bars(n, seed):
    """Black 8x8 images with one white row each."""
    images = np.zeros((n, 8, 8, 1), np.uint8)
    images[np.arange(n), np.random.default_rng(seed).integers(0, 8, n)] = 255
    return Split(images, labels=None)


def load(config):
    return Dataset("bars", {"train": bars(512, 0), "test": bars(64, 1)}, class_names=(), info={})
''',
    "mine/gray_share.py": '''
"""Share of pixels that are neither black nor white."""

import numpy as np

NEEDS, DIRECTION, MIN_SAMPLES, EXTRACTOR = "sample", "lower", 1, None


class GrayShare:
    def __init__(self):
        self.shares = []

    def update(self, batch):
        gray = (batch.fake > 63) & (batch.fake < 192)
        self.shares.append(batch.host(gray.mean((1, 2, 3))))

    def result(self):
        shares = np.concatenate(self.shares)
        return {"value": float(shares.mean()), "spread": float(shares.std())}


def start(context):
    return GrayShare()
''',
    "mine/head_start.py": '''
"""A GAN whose discriminator trains alone for the first 10 steps."""

import jax
import jax.numpy as jnp

from jaxgen.recipes import gan


def build(config, image_shape, num_classes):
    recipe = gan.build(config, image_shape, num_classes)

    def update(state, batch, key, step):
        new, metrics = recipe.update(state, batch, key, step)
        g = jax.tree.map(lambda old, new: jnp.where(step < 10, old, new), state["g"], new["g"])
        return {**new, "g": g}, metrics

    return recipe._replace(update=update)
''',
    "mine/fading.py": '''
"""A GAN with a view of its own: real images, half faded into generated ones."""

from jaxgen.recipes import gan


def build(config, image_shape, num_classes):
    recipe = gan.build(config, image_shape, num_classes)

    def fade(state, images, key, ids, labels=None):
        return 0.5 * images + 0.5 * recipe.views["sample"](state, key, ids, labels)

    return recipe._replace(views={**recipe.views, "fade": fade}, images=(*recipe.images, "fade"))
''',
    "mine/fade_change.py": '''
"""Mean absolute change of real images by the view "fade", in gray levels."""

import numpy as np

NEEDS, DIRECTION, MIN_SAMPLES, EXTRACTOR = "fade", "lower", 1, None


class FadeChange:
    def __init__(self):
        self.changes = []

    def update(self, batch):
        assert batch.fake.dtype == batch.real.dtype == np.uint8
        change = abs(batch.fake.astype(float) - batch.real.astype(float))
        self.changes.append(batch.host(change.mean((1, 2, 3))))

    def result(self):
        changes = np.concatenate(self.changes)
        return {"value": float(changes.mean()), "spread": float(changes.std())}


def start(context):
    return FadeChange()
''',
    "mine/laplace.py": '''
"""Laplace likelihood with scale 0.1: absolute instead of squared error."""

import math

import jax.numpy as jnp


def init():
    return {}


def observe(images, key, ids):
    return images


def log_prob(parameters, outputs, observed):
    return jnp.sum(-jnp.abs(observed - outputs) / 0.1 - math.log(0.2), axis=(1, 2, 3))


def mean(outputs):
    return jnp.clip(outputs, -1, 1)
''',
    "my_config.py": """
from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.model.name = "mine.mlp_gan"
    config.recipe.loss = "mine.smooth_loss"
    config.data.name = "mine.bars"
    config.data.image_size = 8
    config.evaluation.metrics = ("mine.gray_share", "psnr")
    with config.unlocked():  # a key of your own
        config.model.hidden = 64
    return config
""",
    "my_fading.py": """
import my_config


def get_config():
    config = my_config.get_config()
    config.recipe.name = "mine.fading"
    config.evaluation.metrics = ("mine.fade_change",)
    return config
""",
    "my_vae.py": """
from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.image_size = 8
    config.recipe.name = "vae"
    config.recipe.likelihood = "mine.laplace"
    config.model.name = "conv_vae"
    config.model.batch_norm = False
    config.model.width = 8
    config.evaluation.metrics = ("psnr",)
    return config
""",
}
SMALL = [
    "--config.steps=20",
    "--config.log_every=10",
    "--config.sample_every=20",
    "--config.checkpoint_every=20",
    "--config.evaluation.num_samples=32",
    "--config.evaluation.batch_size=32",
    "--config.compilation_cache=",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The user's folder, outside the project."""
    folder = tmp_path_factory.mktemp("home")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.lstrip())
    return folder


def run(home, *arguments):
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }
    done = subprocess.run(
        [sys.executable, "-m", "jaxgen.main", *arguments, *SMALL],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    folder = home / "runs" / Path(arguments[arguments.index("--config") + 1]).stem
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return lines, json.loads((folder / "evaluation.json").read_text())


def test_own_model_loss_data_and_metric_are_trained_and_evaluated(home):
    lines, evaluation = run(home, "--config", "my_config.py", "--config.model.hidden=32")
    assert [line["step"] for line in lines] == [10, 20]
    # D: (8 * 8) * 32 + 32 weights and biases, then 32 + 1; G: 100 * 32 + 32, then 32 * 64 + 64.
    assert evaluation["_run"]["parameters"] == {"d": 64 * 32 + 32 + 33, "g": 100 * 32 + 32 + 32 * 64 + 64}
    assert 0 < evaluation["mine.gray_share"]["value"] <= 1
    assert evaluation["mine.gray_share"]["n_fake"] == 32
    assert evaluation["mine.gray_share"]["split"] == "mine.bars:test"
    assert "reconstruct" in evaluation["_skipped"]["psnr"]
    # At the start every logit is near 0, where label smoothing leaves 2 log 2 as it is.
    assert 1.0 < lines[0]["loss_d"] < 2.0


def test_own_view_is_measured_by_the_own_metric_that_needs_it(home):
    _, evaluation = run(home, "--config", "my_fading.py", "--config.data.limit=100")
    record = evaluation["mine.fade_change"]
    assert evaluation["_skipped"] == {}
    assert (record["view"], record["n_real"], record["n_fake"]) == ("fade", 32, 32)
    # Halfway to gray images of a generator that has hardly been trained: black rows change by 64, a white one by 64.
    assert 50 < record["value"] < 80


def test_own_likelihood_is_trained_and_evaluated(home):
    lines, evaluation = run(home, "--config", "my_vae.py")
    assert lines[1]["loss"] < lines[0]["loss"]
    assert evaluation["psnr"]["value"] > 5


def test_own_recipe_holds_the_generator_still(home, monkeypatch):
    import jax
    import numpy as np

    monkeypatch.syspath_prepend(home)
    from jaxgen.devices import parallel
    from jaxgen.runs import session
    from jaxgen.settings import default
    from jaxgen.training import compiled_steps

    config = default.get_config()
    config.update({"batch_size": 16, "num_devices": 2})
    config.recipe.name = "mine.head_start"
    config.data.update({"image_size": 8, "limit": 64})
    config.evaluation.metrics = ("psnr",)
    config.model.name = "mine.mlp_gan"
    with config.unlocked():
        config.model.hidden = 16
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, 0)
    before = jax.device_get(state.players)
    data = session.training_data(opened)
    compiled = compiled_steps.compile_steps(opened.recipe, opened.batching, opened.mesh, state, data, steps=5)
    for changed in (False, False, True):
        state, _ = compiled.run(state, data)
        now = jax.device_get(state.players)
        for name, moved in (("g", changed), ("d", True)):
            same = jax.tree.map(np.array_equal, now[name].params, before[name].params)
            assert all(jax.tree.leaves(same)) != moved
