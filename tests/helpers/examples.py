"""How many inputs each property test tries: few in the quick tier, and `JAXGEN_EXAMPLES` of them where that is set."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

from jaxgen.errors import UserError

Found = TypeVar("Found")
COUNT = int(os.environ.get("JAXGEN_EXAMPLES", "25"))
# The quick tier tries the same inputs each time. A long run tries others.
EXAMPLES = settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=COUNT <= 25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)


def read_or_refused(read: Callable[[], Found]) -> Found | None:
    """What `read()` gives. None if it raises a UserError, whose message must be one short line. Both must be quick."""
    start, line = time.process_time(), ""
    try:
        return read()
    except UserError as error:
        line = str(error)
        return None
    finally:
        assert "\n" not in line
        assert len(line) < 1000
        assert time.process_time() - start < 1
