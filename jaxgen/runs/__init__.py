"""A config becomes the objects of a run, and a work directory becomes a trained state again.

It imports training and evaluation and all below them.
"""
