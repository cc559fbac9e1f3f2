"""Metrics, one module per name: `base` says what a module holds."""
