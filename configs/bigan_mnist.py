"""BiGAN (Donahue et al. 2017) on MNIST at 28x28: dense networks of 1,024 units and an encoder that inverts them.

Batch 128 and 50 latents as the authors' code for permutation-invariant MNIST. Its latents are uniform. Here they are
normal, and the discriminator has no batch normalisation. 50 of its 400 epochs, Adam 2e-4 (0.5, 0.999).
`recipe.deterministic_encoder=False` makes it ALI (Dumoulin et al. 2017).

Paper: Donahue, Krahenbuhl and Darrell 2017, Adversarial feature learning.
Published: 1-NN accuracy 97.35% on the encoder's last hidden layer, 92.10% on its output (README of the authors' code).
Reached: not trained at full length. fd_efficientnet_lite0 93.5 +- 0.9 of 2,048 samples, reconstructions of 14.7 dB,
  after 5,390 steps, 481 s on one core (commit 96514a6).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.recipe.update({"name": "bigan", "deterministic_encoder": True})
    config.model.update({"name": "bigan", "architecture": "mlp", "width": 1024, "latent_dim": 50})
    config.batch_size = 128
    return presets.length(config, steps=23_500)  # 50 epochs of 60,000
