"""How an objective trains networks: `config.recipe.name` names a file here that defines `build`, and `base` says
what a recipe is.

It imports losses, models, ops and settings.
"""
