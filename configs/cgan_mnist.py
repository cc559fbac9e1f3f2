"""CGAN of dense layers on MNIST (Mirza and Osindero 2014): both networks see the one-hot class beside their input.

The sizes are PyTorch-GAN's. Dropout 0.4 in the discriminator, Adam 2e-4 (0.5, 0.999), batch 64, 50 epochs.

Paper: Mirza and Osindero 2014, Conditional generative adversarial nets.
Published: No number of samples' quality on MNIST was at hand.
Differs: PyTorch-GAN trains with squared errors, but the paper's equation 2 is a log-likelihood. The class enters as it
  is, since an embedding before a linear layer adds nothing.
Reached: not trained at full length. FID 50.5 +- 1.0 of 2,048 samples, conditional accuracy 0.917 after 7,240 steps,
  180 s on one core (commit bc8319e).
"""

from jaxgen.settings.experiments import experiment


def get_config():
    config = experiment("gan_mnist")
    config.data.labels = True
    config.model.update({"name": "cgan", "dropout": 0.4})
    return config
