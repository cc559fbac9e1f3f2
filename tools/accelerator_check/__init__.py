"""Whether jaxgen is right, resumes, is fast and learns on the accelerator of this machine.

`python -m tools.accelerator_check --help` says how to run it. Each part is one file here, and runs as a process of its
own with a time limit. `conductor` starts the parts, `part` is what it starts, `record` is what they leave. It never ran
on an accelerator: see docs/evidence/not_run.md.
"""
