"""AAE, the adversarial autoencoder (Makhzani et al. 2016), on MNIST at 28x28: dense networks, 10 latents, 10 epochs.

Layers of 512 units and a Gaussian posterior as in PyTorch-GAN. The pixels' likelihood is a Gaussian of sigma 1.
`recipe.deterministic_encoder=True` and a larger `recipe.adversary_weight` make it WAE-GAN (Tolstikhin et al. 2018).

Paper: Makhzani, Shlens, Jaitly, Goodfellow and Frey 2016, Adversarial autoencoders.
Published: The paper gives no number for these networks.
Differs: PyTorch-GAN has absolute errors. Its weights are 0.999 on their mean over 1,024 pixels and 0.001 on the
  adversary. On sums over pixels these are 1 to 1, as here.
Reached: not trained at full length. fd_efficientnet_lite0 101.95 +- 0.63 of 2,048 samples, reconstructions of 17.5 dB
  after 4,800 steps, 120 s on one core (commit 020e124).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.update({"name": "adversarial_autoencoder", "sigma": 1.0})
    config.model.update({"name": "mlp_vae", "width": 512, "latent_dim": 10})
    return presets.length(config, steps=9_500)  # 10.1 epochs of 60,000
