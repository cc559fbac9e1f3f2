"""Losses and penalties: pure functions of arrays, each found by its name in config.recipe.

It imports ops and settings.
"""
