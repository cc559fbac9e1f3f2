"""DIP-VAE-I (Kumar et al. 2018) on dynamically binarised MNIST, 28x28: 10 epochs.

The covariance of the posteriors' means is drawn to the identity, with lambda_od = 10 and lambda_d = 100. The rest is
`beta_tc_vae_mnist`. `--config.recipe.regularizer=dip_ii --config.recipe.dip_diagonal=1` gives DIP-VAE-II.

Paper: Kumar, Sattigeri and Balakrishnan 2018, Variational inference of disentangled latent concepts.
Published: No number of the paper was verified here.
Differs: PyTorch-VAE centres each image's latents over the latents, and does not divide by the batch size. Here the
  covariance is that over the images of the batch.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("beta_tc_vae_mnist")
    config.recipe.regularizer = "dip_i"
    config.recipe.regularizer_weight = 10.0
    return config
