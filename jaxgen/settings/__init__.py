"""Every key of a config with its default, where experiments lie, and the checks of values.

It imports nothing of jaxgen but errors.
"""
