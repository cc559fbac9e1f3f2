"""Layers and operations that networks are made of, with forms of their own for CPUs.

It imports nothing of jaxgen.
"""
