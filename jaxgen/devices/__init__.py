"""Meshes, processes and the placement of arrays: no other package names a device.

It imports ops and recipes.
"""
