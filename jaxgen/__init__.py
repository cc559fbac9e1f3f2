"""jaxgen: train, evaluate and compare deep generative models in JAX and Flax."""

__version__ = "0.1.0"
