"""A run without a network: takes the arguments of `jaxgen.main`, keeps to its files, and does what a plan says.

A plan is a JSON file, `{workdir's last two names: [what to do at the first start, at the second, ...]}`: "train" (the
default; each step takes a moment and is saved, so that it resumes), "fail", "crash", "stop".
"""

import ast
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path


def arguments(argv):
    flags = dict(one.removeprefix("--").split("=", 1) for one in argv)
    config = {}
    for name, text in flags.items():
        if name.startswith("config."):
            group, key = config, name.split(".")[1:]
            for part in key[:-1]:
                group = group.setdefault(part, {})
            with contextlib.suppress(ValueError, SyntaxError):
                text = ast.literal_eval(text)
            group[key[-1]] = text
    return flags, config


def main():
    plan_file, moment, root, *argv = sys.argv[1:]
    sys.path.insert(0, root)
    from jaxgen.study import run_process

    run_process.follow_study()
    flags, config = arguments(argv)
    folder = Path(flags["workdir"])
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        mode = flags.get("mode", "train")
        name = "/".join(folder.parts[-2:])
        started = folder.parents[1 if folder.parent.name == "runs" else 2] / "started"
        with open(started, "a") as file:
            file.write(f"{name} {mode}\n")
        times = started.read_text().splitlines().count(f"{name} {mode}")
        plan = json.loads(Path(plan_file).read_text()).get(name, [])
        act(plan[times - 1] if times <= len(plan) else "train", mode, folder, config, float(moment))


def act(todo, mode, folder, config, moment):
    print(f"starting to {todo}")
    if todo == "fail":
        print("jaxgen: error: loss_g became nan at step 7", flush=True)
        sys.exit(2)
    if todo == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if not (folder / "config.json").exists():
        (folder / "config.json").write_text(json.dumps({"config": config}))
    if hasattr(os, "sched_getaffinity"):
        (folder / "cores").write_text(json.dumps(sorted(os.sched_getaffinity(0))))
    if mode == "evaluate":
        evaluate(folder, config, moment)
        return
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    (folder / "checkpoints").mkdir(exist_ok=True)
    step = max((int(path.name) for path in (folder / "checkpoints").iterdir()), default=0)
    while step < config["steps"]:
        time.sleep(moment)
        step += 1
        (folder / "checkpoints" / str(step)).touch()
        print(f"step {step}/{config['steps']}", flush=True)
        if asked or todo == "stop":
            return
    evaluate(folder, config, moment)


def evaluate(folder, config, moment):
    time.sleep(moment)
    steps = sorted(int(path.name) for path in (folder / "checkpoints").iterdir())
    value = config["seed"] + config["model"]["width"] / 100 + sum(steps)
    run = {"step": steps[-1], "config": config, "timing": {"step_seconds": moment * len(steps)}}
    results = {name: {"value": value} for name in config["evaluation"]["metrics"]}
    temporary = folder / ".evaluation.json"
    temporary.write_text(json.dumps({**results, "_run": run}))
    os.replace(temporary, folder / "evaluation.json")


if __name__ == "__main__":
    main()
