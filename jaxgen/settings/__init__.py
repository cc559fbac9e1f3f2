"""Every key of a config with its default, the experiments by name, and the checks of values.

It imports nothing of jaxgen but errors.
"""
