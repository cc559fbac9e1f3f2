"""Ladder VAE (Soenderby et al. 2016) on dynamically binarised MNIST: five levels of latents, 10 epochs.

The levels have 64, 32, 16, 8 and 4 latents and layers of 512 to 32 units, as in the paper. Batch normalisation and a
warm-up of beta are its advice. Its training is far longer.

Paper: Soenderby et al. 2016, Ladder variational autoencoders.
Published: No number for this length of training was at hand.
Differs: PyTorch-VAE compares with the bottom-up Gaussian, leaves out the highest KL term, and lacks a factor of 1/2.
  Its prior is therefore never trained.
Reached: not trained at full length. FID 28.9 +- 0.5 of 2,048 samples, reconstructions of 22.6 dB after 10,990 steps,
  180 s on one core (commit bc8319e).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = config.model.name = "ladder_vae"
    config.recipe.update({"likelihood": "bernoulli", "beta_warmup": 2_000})
    config.model.update({"level_dims": (64, 32, 16, 8, 4), "level_widths": (512, 256, 128, 64, 32)})
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
