"""VQ-VAE (van den Oord et al. 2017) on Fashion-MNIST (Xiao et al. 2017), as `vq_vae_mnist`.

Its 256 gray levels by a discretised logistic (Kingma et al. 2016): clothes are shaded, where digits are ink.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vq_vae_mnist")
    config.data.name = "fashion_mnist"
    config.recipe.likelihood = "discretised_logistic"
    return config
