"""Being asked to stop; that two real processes agree on the step is in tests/end_to_end/test_multiprocess.py."""

import os
import signal

import pytest

from jaxgen.devices import processes
from jaxgen.devices.stopping import Stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_within_the_block_alone(number):
    before, stop = signal.getsignal(number), Stop()
    with stop.listening():
        assert not stop()
        os.kill(os.getpid(), number)
        assert [stop(), stop()] == [True, True]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("agreed", "answers"), [(1, [True] * 4), (47, [False, True, True, True]), (52, [False] * 3)])
def test_several_processes_ask_for_every_step_and_keep_the_answer(monkeypatch, agreed, answers):
    """A run that goes on at step 40 with 5 steps a dispatch, and evaluates after step 50."""
    asked = []

    def reached(step):
        asked.append(step)
        return step == agreed

    monkeypatch.setattr(processes, "are_several", lambda: True)
    monkeypatch.setattr(processes, "reached_notice", reached)
    stop = Stop()
    assert [stop(45), stop(50), stop(), stop(), stop(), stop()] == (answers + [True] * 3)[:6]
    assert asked == [*range(1, agreed + 1)]


def test_several_processes_leave_sigterm_to_jax_and_pass_ctrl_c_on_to_it(monkeypatch):
    monkeypatch.setattr(processes, "are_several", lambda: True)
    told = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("SIGTERM"))  # in the place of JAX's handler
    try:
        with Stop().listening():
            os.kill(os.getpid(), signal.SIGINT)
            assert told == ["SIGTERM"]
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert told == ["SIGTERM"]
    finally:
        signal.signal(signal.SIGTERM, before)
