"""Four virtual CPU devices and a compilation cache for the whole suite; set before anything initialises JAX."""

import logging
import os
from pathlib import Path

import jax
import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@pytest.fixture(autouse=True)
def _fresh_log():
    """A run in this process takes jaxgen's messages for itself; the next test gets them back."""
    yield
    logger = logging.getLogger("jaxgen")
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True


def _sgd(config):
    for player in config.optimizers.values():
        player.update({"name": "sgd", "b1": 0.0, "learning_rate": 0.02})


@pytest.fixture
def tiny_config():
    """A config that compiles and steps in no time: digits at 8x8, eight channels. `tiny_config("vae", sgd=True)`."""
    from configs import default

    def make(recipe="gan", *, sgd=False):
        config = default.get_config()
        config.data.image_size = 8
        config.data.limit = 256
        config.model.width = 8
        config.model.latent_dim = 8
        config.model.batch_norm = recipe == "gan"
        config.model.name = {"gan": "dcgan", "vae": "conv_vae"}[recipe]
        config.recipe.name = recipe
        config.batch_size = 16
        config.steps_per_dispatch = 5
        config.steps = 20
        config.log_every = config.sample_every = config.checkpoint_every = config.histogram_every = 10
        config.num_devices = 1
        config.evaluation.metrics = ("psnr",)
        config.evaluation.num_samples = 16
        config.evaluation.batch_size = 16
        config.evaluation.allow_few_samples = True
        if sgd:
            _sgd(config)
        return config

    return make
