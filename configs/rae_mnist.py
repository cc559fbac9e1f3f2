"""RAE (regularised autoencoder, Ghosh et al. 2020) on MNIST at 28x28 in its gray levels: RAE-L2, 10 epochs.

16 codes as in the paper, the convolutional networks of vae_mnist. Samples come from a normal distribution of the codes,
and from a mixture of 10 Gaussians. `--config.recipe.rae_penalty=gradient` gives RAE-GP.

Paper: Ghosh et al. 2020, From variational to deterministic autoencoders.
Published: No number for these networks was at hand.
Differs: Pythae's gradient penalty is with respect to the image, through the encoder. Here it is with respect to the
  codes, as in the paper.
Reached: not trained at full length.
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = "rae"
    config.model.update({"name": "conv_vae", "width": 32, "latent_dim": 16, "batch_norm": False})
    config.evaluation.latent_samplers = ("gaussian_mixture",)
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
