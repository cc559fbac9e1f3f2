"""EBGAN with the pull-away term on MNIST (Zhao et al. 2017): dense networks, an autoencoder with a code of 32 numbers.

The energy is the Euclidean distance of an image from its reconstruction. The margin is 10, the pull-away weight 0.1.

Paper: Zhao, Mathieu and LeCun 2017, Energy-based generative adversarial network.
Published: No number that could be checked was at hand.
Differs: PyTorch-GAN's pull-away term lacks the square of the cosine. It detaches the reconstruction of a fake, so half
  of the generator's gradient is missing there.
Reached: not trained at full length. Learning rates constant: FID 112.3 +- 1.0 of 2,048 samples after 9,490 steps, 180 s
  on one core (commit bc8319e).
"""

from jaxgen.settings import default, presets


def get_config():
    config = presets.mnist(default.get_config())
    config.model.update({"name": "energy_gan", "architecture": "dense", "width": 512, "code_dim": 32})
    config.recipe.name = "ebgan"
    return presets.length(config, steps=19_000, every=1_000)  # 20.3 epochs of 60,000
