"""What the command lines do: one file for each mode of `jaxgen.main` and for each other command.

It imports everything but study. A training writes the report of its own run.
"""
