"""DCGAN (Radford et al. 2016) on Fashion-MNIST (Xiao et al. 2017), all 60,000 images at 28x28: 10 epochs.

Adam 2e-4, beta1 0.5, weights from N(0, 0.02): the paper's section 4. A quarter of its width, enough for one channel.

Paper: Radford, Metz and Chintala 2016, Unsupervised representation learning with deep convolutional generative
  adversarial networks.
Published: The paper gives no number for this data set.
Reached: not trained at full length. Width 16: FID 48.6 +- 0.4 of 2,048 samples after 11,300 steps, 300 s on one core
  (commit cb9627a).
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.fashion_mnist(experiment("dcgan_mnist"))
