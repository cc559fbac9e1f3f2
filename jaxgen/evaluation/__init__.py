"""Samples and pairs stream through metrics into records; baselines of tables, latent samplers, means over seeds.

It imports data, files, metrics, ops, pictures and settings, and knows nothing of training or devices.
"""
