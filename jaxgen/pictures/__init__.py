"""Arrays become grids of images, plots and videos.

It imports metrics, for the layout of tables.
"""
