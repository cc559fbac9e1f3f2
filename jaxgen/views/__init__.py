"""What a trained state can do, compiled: sample, decode, reconstruct, project, traverse, draw points.

It imports devices, files, metrics, ops, pictures and recipes.
"""
