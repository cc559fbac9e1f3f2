"""The defaults alone: a DCGAN on the embedded digits. `jaxgen/settings/default.py` lists every key with its meaning."""

from jaxgen.settings.default import get_config

__all__ = ["get_config"]
