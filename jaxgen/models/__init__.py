"""Networks: `config.model.name` names a file here that defines `build`.

It imports ops and settings.
"""
