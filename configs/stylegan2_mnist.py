"""StyleGAN2 (Karras et al. 2020) on MNIST at 32x32, an eighth of the `cifar` settings' width (see `stylegan2_cifar`).

Their rate, decays, mapping and R1 weight. The sizes of network and batch and the length of the run are ours, those of
`stylegan2_tiny`.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: The paper gives no number for this data set.
Reached: not trained at full length. FID 202.0 +- 0.9 of 2,048 samples after 550 steps, 180 s on one core
  (commit bc8319e).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.mnist(experiment("stylegan2_tiny"), size=32)
