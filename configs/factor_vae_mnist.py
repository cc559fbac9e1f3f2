"""FactorVAE (Kim and Mnih 2018) with gamma = 10 on dynamically binarised MNIST, 28x28: 10 epochs.

The discriminator has six layers of 1,000 units. Its Adam has rate 1e-4 and (0.5, 0.9). The VAE is that of
`beta_tc_vae_mnist`.

Paper: Kim and Mnih 2018, Disentangling by factorising.
Published: The paper gives no number for this data set.
Differs: PyTorch-VAE permutes the latents within each image. Here each latent is permuted over the images of a second
  batch. Its first optimiser also moves the discriminator.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("beta_tc_vae_mnist")
    config.recipe.update({"name": "factor_vae", "regularizer": "", "regularizer_weight": 10.0})
    config.model.update({"discriminator_width": 1_000, "hidden_layers": 6})
    config.optimizers.discriminator.update({"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9})
    return config
