"""Layers and operations of networks, some with special forms for CPUs.

It imports nothing of jaxgen.
"""
