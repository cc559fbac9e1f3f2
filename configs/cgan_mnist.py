"""CGAN of dense layers on MNIST (Mirza and Osindero 2014): both networks see the one-hot class beside their input.

The sizes are PyTorch-GAN's. Dropout 0.4 in the discriminator, Adam 2e-4 (0.5, 0.999), batch 64, 50 epochs.

Paper: Mirza and Osindero 2014, Conditional generative adversarial nets.
Published: No number of samples' quality on MNIST was at hand.
Differs: PyTorch-GAN trains with squared errors, but the paper's equation 2 is a log-likelihood. The class enters as it
  is, since an embedding before a linear layer adds nothing.
Reached: not trained at full length. fd_efficientnet_lite0 55.55 +- 1.19 of 2,048 samples, conditional accuracy 0.825
  after 4,880 steps, 240 s on one core (commit 020e124).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("gan_mnist")
    config.data.labels = True
    config.model.update({"name": "cgan", "dropout": 0.4})
    return config
