"""Streams samples and pairs through metrics into records. Also: baselines of tables, latent samplers, means over seeds.

It imports data, files, metrics, ops, pictures and settings. It imports neither training nor devices.
"""
