"""Recipes: how an objective trains networks.

`config.recipe.name` names a file here that defines `build`. `base` defines what a recipe is.

It imports losses, models, ops and settings.
"""
