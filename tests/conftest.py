"""Four virtual CPU devices and a compilation cache for the whole suite; set before anything initialises JAX."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from tests.helpers.compiler_flags import FASTER_COMPILING, FOR_THIS_PROCESS

os.environ.setdefault("JAX_PLATFORMS", "cpu")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
# Tests compile far longer than they compute. The README's first command trains with the optimised program.
jax.config.update("jax_disable_most_optimizations", True)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
if FOR_THIS_PROCESS:  # Processes of the tests inherit it.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FOR_THIS_PROCESS}".strip()


@pytest.fixture
def optimized():
    """Programs compiled as users' are. Without optimisation two programs may round the same sum differently."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


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


@pytest.fixture(scope="session")
def tiny_config():
    """A config that compiles and steps in no time: digits at 8x8, eight channels. `tiny_config("vae", sgd=True)`."""
    from jaxgen.settings import default

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
        config.report = False
        config.evaluation.extractor = "efficientnet_lite0"  # the other network's weights would be downloaded
        config.evaluation.metrics = ("psnr",)
        config.evaluation.num_samples = 16
        config.evaluation.batch_size = 16
        config.evaluation.allow_few_samples = True
        if sgd:
            _sgd(config)
        return config

    return make


ROOT = Path(__file__).parents[1]
TINY = """
from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.image_size = 8
    config.data.limit = 256
    config.model.width = 8
    config.model.latent_dim = 8
    config.batch_size = 16
    config.steps_per_dispatch = 5
    config.steps = 20
    config.log_every = config.sample_every = config.checkpoint_every = 10
    config.compilation_cache = ""
    config.report = False
    config.evaluation.extractor = "efficientnet_lite0"
    config.evaluation.metrics = ("psnr",)  # a GAN has none: evaluation is instant
    config.evaluation.num_samples = config.evaluation.batch_size = 16
    config.sample.rows = config.sample.columns = 3
    config.sample.num_images = 5
{changes}
    return config
"""


@pytest.fixture(scope="session")
def write_tiny():
    """`write_tiny(path, "config.steps = 40", ...)`: a config file of a run that takes a moment, with these changes."""

    def write(path, *changes):
        path.write_text(TINY.format(changes="\n".join(f"    {line}" for line in changes)))
        return path

    return write


@pytest.fixture(scope="session")
def start_process():
    """`start_process("-m", "jaxgen.main", stdout=...)`: Python in the checkout, with the suite's compilation cache.

    Upper-case keywords are variables of its environment; whatever still runs at the end of the session is killed.
    """
    running = []

    def start(*arguments, **options):
        variables = {name: options.pop(name) for name in list(options) if name.isupper()}
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
            **variables,
        }
        command = [sys.executable, *map(str, arguments)]
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **options))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def start_run(tmp_path, write_tiny, start_process):
    """`start_run(*changes, processes=2, devices=2)` -> processes of a run in run/, which log into 0.log, 1.log, ...

    Args:
      changes: lines for `write_tiny`.
      arguments: further ones of the command line.
      variables: upper-case keywords, for the environment.
    """

    def run(*changes, processes=2, devices=2, arguments=(), **variables):
        config = write_tiny(tmp_path / "tiny.py", *changes)
        command = ["-m", "jaxgen.main", "--config", config, "--workdir", tmp_path / "run", *arguments]
        if processes > 1:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command += ["--distributed", f"--coordinator_address=127.0.0.1:{port}", f"--num_processes={processes}"]
        variables["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices} {FASTER_COMPILING}"
        started = []
        for i in range(processes):
            with open(tmp_path / f"{i}.log", "a") as log:
                number = [f"--process_id={i}"] if processes > 1 else []
                started.append(start_process(*command, *number, stdout=log, stderr=log, **variables))
        return started

    return run
