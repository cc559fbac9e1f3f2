"""VQ-VAE (van den Oord et al. 2017) on CIFAR-10: 8x8 codes out of 512.

512 codes, width 256, two residual blocks, commitment 0.25, decay 0.99, Adam 2e-4, batch 128, 250,000 steps: their
sections 3.2 and 4 and appendix A.1. The prior is a causal transformer where they have a PixelCNN.

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: 4.67 bits per dimension (section 4.1).
Reached: not trained at full length. In study_cifar, width 64: FID 327.9 +- 0.8 of 2,048 samples after 615 steps, 420 s
  on one core (commit 4a27867).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.cifar10(default.get_config())
    config.recipe.name = config.model.name = "vq_vae"
    config.recipe.likelihood = "discretised_logistic"
    config.recipe.ema_decay = 0.9999
    config.model.width = config.model.prior_width = 256
    config.model.batch_norm = False
    config.optimizers.vae.learning_rate = 2e-4
    config.optimizers.prior.learning_rate = 3e-4
    config.batch_size = 128
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return presets.length(config, steps=250_000, every=1_000)
