"""Metrics: `config.evaluation.metrics` names files here that define `start`, and `base` says what a metric is.

It imports files, ops and settings.
"""
