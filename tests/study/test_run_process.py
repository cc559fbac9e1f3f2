"""The process of a run: its last line and the reason for its end."""

import sys

from jaxgen.study.run_process import RunProcess


def test_a_log_that_was_deleted_says_nothing(tmp_path):
    process = RunProcess([sys.executable, "-c", "print('step 5')"], tmp_path / "logs" / "gan_seed_0.log")
    assert process.wait(60) == 0
    assert process.last_line() == "step 5"
    process.log.unlink()
    assert process.last_line() == ""
    assert process.complaint(1) == "it printed nothing"
