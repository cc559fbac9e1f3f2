"""Published networks: their files read and written, their settings turned into configs.

NVIDIA's StyleGAN2, and the generator of PyTorch's DCGAN example.

It imports data, files, metrics, models, ops and settings.
"""
