"""LSGAN (Mao et al. 2017, equation 9: targets 0 and 1) on the digits at 16x16, with dcgan_digits' networks.

Paper: Mao et al. 2017, Least squares generative adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. In study_digits at width 32, 1,500 steps, three seeds: fd_efficientnet_lite0 43.1
  +- 3.3, 38 s a seed (commit 6bd453c).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("dcgan_digits")
    config.recipe.loss = "least_squares"
    return config
