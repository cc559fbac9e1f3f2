"""Compiled views of a trained state: sample, decode, reconstruct, project, traverse, draw points.

It imports devices, files, metrics, ops, pictures and recipes.
"""
