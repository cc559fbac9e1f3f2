"""StyleGAN2 (Karras et al. 2020) on SVHN's cropped digits at 32x32: the `cifar` settings (see `stylegan2_cifar`).

R1 gamma 0.01, batch 64, rate 0.0025.

Paper: Karras et al. 2020, Training generative adversarial networks with limited data.
Published: The paper gives no number for this data set.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    config = presets.svhn_cropped(experiment("stylegan2_cifar"))
    config.steps = 390_620  # 25,000 kimg
    config.evaluation.num_samples = 10_000
    return config
