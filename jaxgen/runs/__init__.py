"""Turns a config into the objects of a run, and a work directory into a trained state.

It imports training, evaluation and the packages below them.
"""
