"""VQ-VAE (van den Oord et al. 2017) on MNIST at 28x28: 7x7 codes out of 128, and a prior over them, 10 epochs.

Commitment 0.25, decay 0.99 and two residual blocks are the paper's (sections 3.2, 4, A.1), which has no MNIST. The
networks are narrower, and learn five times as fast (1e-3 instead of 2e-4).

Paper: van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning.
Published: The paper gives no number for this data set.
Reached: not trained at full length. fd_efficientnet_lite0 20.33 +- 0.14, KID 0.0292, reconstructions of 25.9 dB and
  SSIM 0.950 after 3,000 steps, 3,498 s on a busy machine (commit b78c5a8).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.name = config.model.name = "vq_vae"
    config.model.width = 64
    config.model.num_codes = 128
    config.model.code_dim = 32
    config.model.batch_norm = False
    config.evaluation.metrics = ("bits_per_dim", *config.evaluation.metrics)
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
