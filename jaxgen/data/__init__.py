"""Data sets: `config.data.name` names a file here that defines `load`, and `base` says what a data set is.

It imports files and settings.
"""
