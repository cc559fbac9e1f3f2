"""Layers and operations that networks are made of, with their own forms for CPUs.

They import nothing of jaxgen but each other.
"""
