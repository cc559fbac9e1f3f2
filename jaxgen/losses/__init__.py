"""Losses and penalties: pure functions of arrays, found by their names in config.recipe.

It imports metrics, ops and settings.
"""
