"""The training step compiled for hardware that is not here, and what it will cost there.

It imports runs, training, devices and what lies below them.
"""
