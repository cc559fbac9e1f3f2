"""GAN of dense layers on MNIST (Goodfellow et al. 2014), with the networks and optimiser of PyTorch-GAN.

Batch 64, Adam 2e-4 (0.5, 0.999), latents of 100, 50 of its 200 epochs.

Paper: Goodfellow et al. 2014, Generative adversarial nets.
Published: Parzen log-likelihood 225 +- 2 (table 1) of the paper's own networks, which `gan_maxout_mnist` has.
Reached: fd_efficientnet_lite0 10.36 +- 0.20, KID 0.0100 after 47,000 steps, 7,571 s on a busy machine (commit b78c5a8).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "mlp_gan", "architecture": "pytorch_gan"})
    return presets.length(config, steps=47_000, every=1_000)  # 50 epochs of 60,000
