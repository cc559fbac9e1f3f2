"""Compiles the training step for absent hardware, and estimates its cost there.

It imports runs, training, devices and the packages below them.
"""
