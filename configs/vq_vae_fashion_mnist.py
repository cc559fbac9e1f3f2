"""VQ-VAE (van den Oord et al. 2017) on Fashion-MNIST (Xiao et al. 2017), as `vq_vae_mnist`.

Its 256 gray levels by a discretised logistic (Kingma et al. 2016): clothes are shaded, where digits are ink.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.fashion_mnist(experiment("vq_vae_mnist"))
    config.recipe.likelihood = "discretised_logistic"
    return config
