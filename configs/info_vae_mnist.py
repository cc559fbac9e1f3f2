"""InfoVAE (Zhao et al. 2019) on dynamically binarised MNIST, 28x28: 10 epochs.

alpha = 0 and lambda = 500: `beta` is 1 - alpha, `regularizer_weight` is alpha + lambda - 1. The rest is
`beta_tc_vae_mnist`.

Paper: Zhao, Song and Ermon 2019, InfoVAE: balancing learning and inference in variational autoencoders.
Published: No number of the paper was verified here.
Differs: PyTorch-VAE leaves the diagonal out of the kernel between both samples. Here only the kernels within a sample
  lack it. Pythae's defaults give the discrepancy a negative weight, which is refused here.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("beta_tc_vae_mnist")
    config.recipe.regularizer = "mmd"
    config.recipe.regularizer_weight = 499.0
    return config
