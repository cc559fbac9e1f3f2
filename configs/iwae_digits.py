"""IWAE (Burda et al. 2016), five draws, on scikit-learn's digits at 16x16, binarised anew at each visit.

A small convolutional network in place of the paper's MLPs: the network of `vae_digits`.

Paper: Burda, Grosse and Salakhutdinov 2016, Importance weighted autoencoders.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("vae_digits")
    config.recipe.likelihood = "bernoulli"
    config.recipe.iwae_samples = 5
    config.evaluation.metrics = ("bits_per_dim", "active_units", "psnr", "fd_efficientnet_lite0")
    return config
