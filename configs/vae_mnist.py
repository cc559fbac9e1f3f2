"""Convolutional VAE on dynamically binarised MNIST (Salakhutdinov and Murray 2008), 28x28: 10 epochs.

Bernoulli likelihood and Adam 1e-3 as in Burda et al. 2016; their networks are MLPs with 50 latents, this is
convolutional with 32.
"""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "mnist"
    config.data.image_size = 28
    config.recipe.name = "vae"
    config.recipe.likelihood = "bernoulli"
    config.model.name = "conv_vae"
    config.model.width = 32
    config.model.latent_dim = 32
    config.model.batch_norm = False
    config.steps = 9_500  # 10.1 epochs of 60,000
    config.steps_per_dispatch = 20
    config.sample_every = config.checkpoint_every = 500
    return config
