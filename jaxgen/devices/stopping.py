"""Being asked to save and end, by a signal or, where there are several processes, by any notice that JAX gets."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from jaxgen.devices import processes


class Stop:
    """`stop(step)`, or `stop()` but in training: whether the run was asked to save and end; once it was, it stays so.

    Of several processes all must ask alike, and all get the same answers (`processes.reached_notice`).
    """

    def __init__(self):
        self._asked, self._interrupts, self._last = False, 0, 0

    def __call__(self, step: int = 0) -> bool:
        if processes.are_several() and not self._asked:
            # A dispatch is several steps, and the one that is agreed on may be any of them; of a notice from before the
            # first question it is step 1, also in a run that goes on from a later one.
            first, self._last = self._last + 1, max(step, self._last + 1)
            self._asked = any(map(processes.reached_notice, range(first, self._last + 1)))
        return self._asked

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Within the block SIGTERM and Ctrl-C ask the run to save and end; a second Ctrl-C ends it at once.

        In a thread other than the main one, where Python lets nobody listen to signals, the block just runs.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # Of several processes SIGTERM is JAX's: a handler in Python would take it from its preemption service.
        numbers = (signal.SIGINT,) if processes.are_several() else (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self._ask) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number, frame) -> None:
        del frame
        self._interrupts += number == signal.SIGINT
        if number == signal.SIGINT and (self._asked or self._interrupts > 1):
            raise KeyboardInterrupt
        if processes.are_several():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self._asked = True
