"""CVAE (Sohn et al. 2015) on dynamically binarised MNIST, 28x28: both networks know the digit, 10 epochs.

The prior is N(0, 1) for every class. The rest is `vae_mnist`.

Paper: Sohn, Lee and Yan 2015, Learning structured output representation using deep conditional generative models.
Published: The paper gives no number for this data set.
Differs: PyTorch-VAE adds a learned map of the class as one channel. Here each class has a channel of ones and zeros.
Reached: not trained at full length.
"""

from jaxgen.settings import presets
from jaxgen.settings.experiments import experiment


def get_config():
    return presets.class_conditional(experiment("vae_mnist"))
