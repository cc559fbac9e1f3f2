"""Training from the objective to the checkpoint: compiled steps, the loop, input data, seeds, alarms.

It imports the kernel (data, metrics, ops, recipes), devices, pictures, views, files and settings.
"""
