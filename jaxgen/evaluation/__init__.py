"""Samples and pairs stream through metrics into records; baselines, latent samplers and means over seeds.

It knows nothing of training, devices or runs.
"""
