"""A config becomes the objects of a run, and a work directory becomes a trained state again.

It imports training, evaluation and what lies below them.
"""
