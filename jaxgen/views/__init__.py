"""What a trained state can do, compiled: sample, decode, reconstruct, project, traverse, draw points.

It imports the kernel, devices, pictures and files.
"""
