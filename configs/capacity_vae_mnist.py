"""Capacity beta-VAE (Burgess et al. 2018) on dynamically binarised MNIST, 28x28: 10 epochs.

gamma = 1,000. The capacity rises to 25 nats in 8,000 steps. The rest is `beta_tc_vae_mnist`.

Paper: Burgess et al. 2018, Understanding disentangling in beta-VAE.
Published: The paper gives no number for this data set.
Differs: PyTorch-VAE multiplies its gamma of 10 by 0.00025, beside a mean over pixels. Here the loss is in
  nats for each image.
Reached: not trained at full length.
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("beta_tc_vae_mnist")
    config.recipe.update({"regularizer": "capacity", "regularizer_weight": 1_000.0, "capacity_steps": 8_000})
    return config
