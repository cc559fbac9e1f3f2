"""Meshes, processes and placement of arrays: the only package that names devices.

It imports ops and the Recipe of recipes.
"""
