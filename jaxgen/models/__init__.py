"""Networks, one file each: `config.model.name` names the file.

They import ops and settings.
"""
