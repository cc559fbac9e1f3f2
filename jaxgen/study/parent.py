"""A run that a study started must not outlive it unseen: it saves and ends when the study is killed."""

import ctypes
import os
import signal
import sys

VARIABLE = "JAXGEN_STUDY_PROCESS"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow() -> None:
    """In a run started by a study: SIGTERM comes when the study's process is gone, however it went.

    Linux only. Elsewhere the run goes on to its end, and a study that is started anew waits for it.
    """
    study = os.environ.pop(VARIABLE, None)
    if study is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(study):  # it was killed before we asked to be told
        sys.exit(128 + signal.SIGTERM)
