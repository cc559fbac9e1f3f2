"""What `--mode` can be: each one opens a session and does one thing with it."""

import contextlib
import json
import logging
import math
import threading
from pathlib import Path
from typing import Any

from clu import parameter_overview

from jaxgen import (
    configuration,
    evaluation,
    initial_weights,
    latent_samplers,
    pictures,
    projection,
    session,
    style_projection,
)
from jaxgen.benchmark import benchmark
from jaxgen.errors import UserError
from jaxgen.lookup import unknown
from jaxgen.metrics.table import format_table
from jaxgen.planning import plan as planning
from jaxgen.sampling import draw_fitted, draw_traversal, sample
from jaxgen.training import alarms, loop, parallel, workdir
from jaxgen.training.logging import TensorBoard, error_kept, start_log

__all__ = ["benchmark", "evaluate", "plan", "project", "sample", "train"]
log = logging.getLogger(__name__)


def train(config, folder: Path) -> None:
    """Trains to the end, resuming from the newest whole checkpoint, then evaluates into evaluation.json."""
    opened = session.open_session(config)
    start = initial_weights.find(opened, folder)
    primary = parallel.is_primary()
    with contextlib.ExitStack() as stack:
        problem = {}
        if primary:
            try:
                stack.enter_context(workdir.lock(folder))
                workdir.bind(folder, config, session.provenance(opened))
            except UserError as error:
                problem = {"refused": str(error)[:1000]}
        # The others would wait for a process that has gone: all of them end with its line.
        problem = parallel.share(problem)
        if problem:
            raise UserError(problem["refused"])
        start_log(folder / "log.txt" if primary else None, show=primary)
        stack.enter_context(error_kept(folder / "log.txt" if primary else None))
        stop = threading.Event()
        stack.enter_context(loop.listening(stop))
        run, state, window, watch = _prepare(opened, folder, stop, start)
        start_step = int(state.step)
        if primary and start_step == 0:
            _describe(opened, folder, state)
        try:
            state, complete = loop.train(run, state, window, watch)
        except UserError:
            with contextlib.suppress(UserError):  # a full disk is told once
                run.checkpoints.close()  # the last good checkpoint may still be on its way to the disk
            raise
        run.checkpoints.close()
        if not complete:
            goal = loop.goal(config)
            log.info("stopped at step %d of %s, saved: the same command goes on from here", state.step, goal)
            return
        if primary:
            _finish(opened, run, folder, state)
        parallel.wait_for_all("finished")


def _prepare(opened: session.Session, folder: Path, stop: threading.Event, start: initial_weights.Start | None):
    config = opened.config
    checkpoints = session.open_checkpoints(opened, folder)
    found = checkpoints.restore(parallel.abstract_state(opened.recipe, opened.mesh, config.seed))
    compiled, flops = None, math.nan
    if found is None:
        state, window = _initial_state(opened, folder, start), {}
        watch = alarms.Watch(config.alarms)
    else:
        state, meta = found
        flops = meta["flops_per_step"] or math.nan
        window, opened.clock.seconds = meta["window"], _added(opened.clock.seconds, meta["seconds"])
        watch = alarms.Watch(config.alarms, meta.get("alarms"))  # none in checkpoints of earlier versions
        checkpoints.set_aside_after(int(state.step))
        log.info("resuming at step %d of %s", state.step, loop.goal(config))
        if not loop.is_over(config, int(state.step), opened.clock) and (reason := watch.stopping()):
            checkpoints.close()
            raise UserError(reason)
    images, labels = session.upload(opened)
    if not loop.is_over(config, int(state.step), opened.clock):
        compiled = session.compile_steps(opened, state, images, labels)
        opened.clock.seconds["compile"] += compiled.compile_seconds
        flops = compiled.flops_per_step

    def evaluate(players, num_samples):
        return session.results_of(session.evaluate(opened, players, num_samples))

    run = loop.Run(
        config=config,
        workdir=folder,
        steps=compiled,
        flops_per_step=flops,
        images=images,
        labels=labels,
        test_images=opened.test.images,
        views=opened.views,
        checkpoints=checkpoints,
        clock=opened.clock,
        evaluate=evaluate,
        stop=stop,
    )
    return run, state, window, watch


def _initial_state(opened: session.Session, folder: Path, start: initial_weights.Start | None):
    recipe, mesh, seed = opened.recipe, opened.mesh, opened.config.seed
    if start is None:
        return parallel.init_state(recipe, mesh, seed)
    initial_weights.tell(start)
    if parallel.is_primary():
        workdir.note(folder, "init_from", start.origin)
    return parallel.init_state(recipe, mesh, seed, initial_weights.placed, start.weights)


def _added(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {kind: now.get(kind, 0.0) + before.get(kind, 0.0) for kind in set(now) | set(before)}


def _describe(opened: session.Session, folder: Path, state: parallel.TrainState) -> None:
    """The parameter table, into the log and TensorBoard."""
    board = TensorBoard(folder / "tensorboard", 0)
    for name, player in parallel.local(state.players).items():
        if hasattr(player, "opt_state"):
            table = parameter_overview.get_parameter_overview(player.params, include_stats=False)
            log.info("parameters of %s\n%s", name, table)
            board.text(f"parameters/{name}", table)
    board.close()


def _finish(opened: session.Session, run: loop.Run, folder: Path, state: parallel.TrainState) -> None:
    config, step = opened.config, int(state.step)
    if {"sample", "latents"} <= set(opened.views.names):
        picture = loop.interpolation_grid(config, opened.views, state.players)
        pictures.save(picture, folder / "samples" / "interpolation.png")
    draw_traversal(opened, state.players, folder)
    measured = loop.write_timing(run, step)
    log.info(
        "trained %d steps: %s images/s, %.1f s in steps, %.1f s compiling",
        step,
        measured["images_per_s"],
        run.clock.seconds["step"],
        run.clock.seconds["compile"],
    )
    _tell_alarms(folder, step)
    path = folder / "evaluation.json"
    if _is_current(path, opened, step):
        log.info("%s is of this step and these settings already", path)
        print(format_table(json.loads(path.read_text())))
        return
    results = _evaluate_to_file(opened, path, state, step, measured, run.stop.is_set)
    if results is None:
        return
    loop.write_timing(run, step)  # again, with the seconds of the evaluation
    board = TensorBoard(folder / "tensorboard", 0)
    plain = session.results_of(results)
    board.scalars(step, {f"final/{name}": value for name, value in plain.items()})
    board.hparams(configuration.flatten(session.settings_of(opened)), plain)
    board.close()
    log.info("samples: %s", folder / "samples")


def _tell_alarms(folder: Path, step: int) -> None:
    events = alarms.recorded(folder, step) or []
    if not events:
        log.info("alarms: none")
    for event in events:
        end = "still on" if event["ended"] is None else f"ended at step {event['ended']}"
        log.info("alarm (%s): %s", end, event["message"])


def _evaluate_to_file(opened, path: Path, state, step: int, measured: dict, stop) -> dict[str, Any] | None:
    log.info(
        "evaluating %d samples against %s ...", opened.config.evaluation.num_samples, opened.config.data.test_split
    )
    try:
        with opened.clock.measure("evaluation"):
            settings = opened.config.evaluation
            gallery = path.parent / "evaluation" if settings.pictures else None
            samplers = latent_samplers.fitted(opened, state.players, step, path.parent, settings.latent_samplers)
            draw_fitted(opened, state.players, samplers, path.parent)
            results = session.evaluate(
                opened, state.players, settings.num_samples, stop, samplers=samplers, gallery=gallery
            )
    except evaluation.Stopped:
        log.info("stopped while evaluating: the same command evaluates again")
        return None
    measured = {**measured, "evaluation_seconds": round(opened.clock.seconds["evaluation"], 3)}
    results["_run"] = {
        "config": session.settings_of(opened),
        "step": step,
        "parameters": session.parameter_counts(state),
        "timing": measured,
        "alarms": alarms.recorded(path.parent, step),
        **session.provenance(opened),
    }
    workdir.write_atomic(path, json.dumps(results, indent=1) + "\n")
    print(format_table(results))
    log.info("written to %s", path)
    return results


def _is_current(path: Path, opened: session.Session, step: int) -> bool:
    if not path.exists():
        return False
    try:
        run = json.loads(path.read_text())["_run"]
        settings = configuration.completed(run["config"])["evaluation"]
        return run["step"] == step and settings == session.settings_of(opened)["evaluation"]
    except (ValueError, KeyError, TypeError):
        return False  # written by hand or by an older version: evaluated again


def evaluate(config, folder: Path, checkpoint: str) -> None:
    """Evaluates a checkpoint again, into evaluation.json."""
    with session.open_finished(config, folder, checkpoint) as (opened, state, step):
        timing_file = folder / "timing.json"
        measured = json.loads(timing_file.read_text()) if timing_file.exists() else {}
        _evaluate_to_file(opened, folder / "evaluation.json", state, step, measured, lambda: False)


def plan(config, folder: Path, topology: str | None) -> None:
    """Plans the training for hardware that is not here; the last line of stdout is JSON. Writes nothing."""
    del folder
    planning.plan(config, topology)


def project(config, folder: Path, checkpoint: str) -> None:
    """Inverts test images, by latents (`jaxgen.projection`) or by styles (`jaxgen.style_projection`)."""
    space = config.project.space
    if space not in ("z", *style_projection.SPACES):
        raise UserError(unknown("config.project.space", space, ["z", *style_projection.SPACES]))
    (projection if space == "z" else style_projection).project(config, folder, checkpoint)
