"""jaxgen: train, evaluate and compare deep generative models in JAX and Flax.

From Python, each imported when it is first used:

    config = jaxgen.experiment("dcgan_mnist")
    run = jaxgen.train(config, "runs/mine")          # or jaxgen.load("runs/mine")
    images = run.sample(16, seed=0)
    numbers = jaxgen.evaluate(real="mnist:test", fake=run, metrics=("fid",), extractor="efficientnet_lite0")
"""

import importlib

from jaxgen.errors import UserError

TYPE_CHECKING = False  # type checkers take it for that of `typing`, whose import --help need not wait for
if TYPE_CHECKING:
    from jaxgen import evaluate
    from jaxgen.interface import Run, load, train
    from jaxgen.settings.experiments import experiment

__version__ = "0.1.0"
__all__ = ["Run", "UserError", "evaluate", "experiment", "load", "train"]
_HOMES = {
    "Run": "jaxgen.interface",
    "experiment": "jaxgen.settings.experiments",
    "load": "jaxgen.interface",
    "train": "jaxgen.interface",
}


def __getattr__(name: str) -> object:
    if name == "evaluate":  # the module, which can be called
        return importlib.import_module("jaxgen.evaluate")
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxgen' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
