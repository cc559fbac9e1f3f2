"""Recipes: how an objective trains networks."""
