"""Losses and penalties: pure functions of arrays that return numbers for each example.

It imports ops.
"""
