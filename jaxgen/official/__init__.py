"""NVIDIA's published StyleGAN2 networks: their files read and written, their settings turned into configs.

It imports data, files, metrics, models, ops and settings.
"""
