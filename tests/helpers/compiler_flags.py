"""The flag with which XLA compiles the tests' programs faster, where this jaxlib knows it."""

import importlib.metadata
import importlib.util

_VERSION = tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2]))
# Loops of XLA's own emitters compile in half the time of those that MLIR makes. jaxlib 0.12 has the latter alone, and
# ends the process at a flag that it does not know. 0.11 was not asked.
FASTER_COMPILING = "--xla_cpu_use_fusion_emitters=false" if _VERSION < (0, 11) else ""
# The compiler for TPUs reads XLA's flags too, and does not know this one.
FOR_THIS_PROCESS = FASTER_COMPILING if importlib.util.find_spec("libtpu") is None else ""
