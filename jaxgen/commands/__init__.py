"""What the command lines do: one file for each mode of `jaxgen.main` and for each other command.

It imports everything but study; a training leaves the report of its own run.
"""
