"""Losses: pure functions of arrays that return scalars."""
