"""Arrays become PNG grids, plots and videos.

It imports nothing of jaxgen but metrics of tables.
"""
