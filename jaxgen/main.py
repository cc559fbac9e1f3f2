"""Train, evaluate, sample and time deep generative models.

Start with one of these:

    python -m jaxgen.main --config dcgan_digits                                   train and evaluate a GAN, no download
    python -m jaxgen.main --workdir runs/dcgan_digits --mode=sample               more samples of a run that there is
    python -m jaxgen.main --config dcgan_digits --workdir runs/b --config.seed=1  change any key of the config

The first command takes two to four minutes on two cores. After a kill the same command goes on where the run was.

Read on:

    python -m jaxgen.main --help    every flag
    docs/start/first_run.md         the first command step by step
    configs/                        every experiment and every study; --config takes a name or a file
    jaxgen/settings/default.py      every key of a config, with its meaning
"""

import importlib
import os
import sys
import traceback
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from jaxgen.errors import UserError
from jaxgen.files import command_line, streams
from jaxgen.settings import checks, config_errors, lookup, paths, run_config
from jaxgen.study import definition, run_process

MODES = ("train", "evaluate", "sample", "project", "benchmark", "plan")
_NO_CONFIG = "--config is missing: name an experiment, such as --config configs/dcgan_digits.py"
_OF_CHECKPOINT = ("evaluate", "sample", "project")

_CONFIG = config_flags.DEFINE_config_file(
    "config", help_string="Experiment: its name, its file, or the work directory of a run.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for everything that the run writes (default: runs/<config name>)."
)
_MODE = flags.DEFINE_string(
    "mode",
    "train",
    "`train`: train or resume, then evaluate. `evaluate`: evaluate a checkpoint again. `sample`: write images, or rows "
    "of a table. `project`: find latents of test images. `benchmark`: time the training step, JSON on the last line. "
    "`plan`: compile the step for the hardware of --topology, which need not be here, JSON on the last line.",
)
_CHECKPOINT = flags.DEFINE_string("checkpoint", "latest", "For evaluate, sample, project: latest, best, or a step.")
_TOPOLOGY = flags.DEFINE_string("topology", None, "For plan: a TPU slice such as v5e:2x4, or GPUs such as h100:8.")
_SECONDS = flags.DEFINE_float("seconds", 60.0, "For benchmark: time of the steps. Compiling comes on top of it.")
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "This process is one of several. Clusters that JAX knows (SLURM, TPU) need no other flag."
)
_COORDINATOR = flags.DEFINE_string("coordinator_address", None, "host:port of process 0, where no cluster gives it.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of all processes, where no cluster gives it.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Number of this process from 0, where no cluster gives it.")


def _parse_flags(argv: list[str]) -> list[str]:
    """Flags and config; every mistake in them is one line."""
    path, argv = _with_config_of_run(argv)
    if _value_of("config", argv) == (None, None) and any(argument.startswith("--config.") for argument in argv):
        raise UserError(_NO_CONFIG)
    typed, sys.argv = sys.argv, argv  # where ml_collections looks for overrides
    try:
        rest = flags.FLAGS(argv)
        getattr(_CONFIG.value, "keys", None)  # raises what went wrong in the file, if the parser kept it to itself
    except SystemExit:
        sys.exit(0)  # --help was shown, for which absl would exit with 1
    except Exception as error:
        # Misspelt keys, wrong types and mistakes in the config file arrive as any kind of exception.
        file = None if path and run_config.folder_of(path) else path
        raise UserError(config_errors.describe_error(error, file, argv)) from error
    finally:
        sys.argv = typed
    if flags.FLAGS["verbosity"].using_default_value:
        flags.FLAGS.verbosity = logging.WARNING  # orbax tells of every file it writes; --verbosity=0 shows it
        logging.get_absl_handler().addFilter(_not_raised_too)
    return rest


def _not_raised_too(record) -> bool:
    """False for what orbax's threads log of an error, with tracebacks: the run raises the same one itself."""
    return record.name != "asyncio" and f"{os.sep}orbax{os.sep}" not in record.pathname


def _with_config_of_run(argv: list[str]) -> tuple[str | None, list[str]]:
    """The config file, and the command line with it in place of a work directory; without any that of --workdir."""
    path, where = _value_of("config", argv)
    if where:
        if path is not None:
            path = run_config.as_config_file(path)
            # In front: ml_collections reads no override that stands before the config.
            argv = [argv[0], f"--config={path}", *argv[1 : where.start], *argv[where.stop :]]
        return path, argv
    folder, _ = _value_of("workdir", argv)
    folder = folder and paths.resolved(folder, "--workdir")
    if not folder or not os.path.lexists(Path(folder) / "config.json"):
        return None, argv
    path = run_config.config_file_of(folder)
    return path, [argv[0], f"--config={path}", *argv[1:]]


def _value_of(flag: str, argv: list[str]) -> tuple[str | None, slice | None]:
    """What follows --flag, before anything is parsed, and which arguments the two are."""
    for i, argument in enumerate(argv):
        name, equals, value = argument.partition("=")
        if name in (f"--{flag}", f"-{flag}"):
            if equals:
                return value, slice(i, i + 1)
            return (argv[i + 1], slice(i, i + 2)) if i + 1 < len(argv) else (None, slice(i, i + 1))
    return None, None


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unknown argument {argv[1]!r}: flags start with --; see --help")
    if _WORKDIR.value == "":
        raise UserError("--workdir is empty. Name a folder, or leave the flag out")
    folder = _WORKDIR.value and paths.resolved(_WORKDIR.value, "--workdir")
    if _CONFIG.value is None and folder and (Path(folder) / "study.json").exists():
        raise UserError(f"--workdir={_WORKDIR.value} is a study: name its --config too, as study.json has it")
    if _CONFIG.value is None and not flags.FLAGS["config"].present:
        if folder:
            raise UserError(_without_config(folder))
        raise UserError(_NO_CONFIG)
    if _MODE.value not in MODES:
        raise UserError(lookup.unknown("--mode", _MODE.value, list(MODES)))
    _check_flags_of_modes()
    path = flags.FLAGS["config"].config_filename
    workdir = Path(folder or run_config.folder_of(path) or Path("runs") / Path(path.split(":")[0]).stem)
    if definition.is_study(_CONFIG.value):
        _study(path, workdir)
        return
    checks.check(_CONFIG.value)
    paths.resolve_keys(_CONFIG.value)
    _check_joining()
    if _MODE.value in ("train", "benchmark"):
        _check_names(_CONFIG.value)
    if _MODE.value in _OF_CHECKPOINT:
        command_line.check_checkpoint(_CHECKPOINT.value)
    if _MODE.value == "plan":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # libtpu is there to compile, not to look for TPUs
    # JAX is imported here and not above, so that --help and typing mistakes answer at once.
    from jaxgen.devices import parallel, processes

    command_line.keep_compiled(_CONFIG.value.compilation_cache)
    if _DISTRIBUTED.value:
        processes.start_processes(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    elif _CONFIG.value.num_seeds > 1:
        parallel.use_cores(_CONFIG.value.num_seeds, _CONFIG.value.seed_devices)
    from jaxgen.commands import run_request  # after the start of several processes, like the mode

    mode = getattr(importlib.import_module(f"jaxgen.commands.{_MODE.value}"), _MODE.value)
    extra = {"checkpoint": _CHECKPOINT.value} if _MODE.value in _OF_CHECKPOINT else {}
    if _MODE.value == "plan":
        extra = {"topology": _TOPOLOGY.value}
    if _MODE.value == "benchmark":
        extra = {"seconds": _SECONDS.value}
    try:
        run_request.check(_MODE.value, _CONFIG.value, workdir, _CHECKPOINT.value)
        if text := mode(_CONFIG.value, workdir, **extra):
            print(text)
            streams.check_stdout()
    except Exception as error:
        if not processes.are_several():
            raise
        # One of several: at the end of a process JAX would wait for the others, which wait for this one.
        if line := command_line.explained(error):
            processes.leave(command_line.error_line(line), 2)
        if processes.has_lost_another(error):
            processes.leave(command_line.error_line(processes.how_to_go_on(error, workdir)), 1)
        traceback.print_exc()
        processes.leave(
            command_line.error_line(f"process {processes.index()} ended by an error of the program, shown above"), 1
        )


def _check_names(config) -> None:
    """Refuses misspelt names at once. All other checks need JAX, which takes a second or two to import."""
    for group, package in (("data", "data"), ("model", "models"), ("recipe", "recipes")):
        lookup.check_spelling(package, config[group].name, f"config.{group}.name")
    for name in config.evaluation.metrics if _MODE.value == "train" else ():
        lookup.check_spelling("metrics", name, "config.evaluation.metrics")


def _without_config(workdir: str) -> str:
    """Why --workdir alone does not name a run."""
    missing = run_config.what_is_missing(Path(workdir))
    if _MODE.value == "train":
        mend = "--config is missing: name an experiment to begin a run there, such as --config configs/dcgan_digits.py"
    else:
        mend = "Name the work directory of a run"
    return f"--workdir={workdir}: {missing}. {mend}"


def _check_flags_of_modes() -> None:
    """Refuses flags that the mode would not look at."""
    if flags.FLAGS["checkpoint"].present and _MODE.value not in _OF_CHECKPOINT:
        raise UserError(
            f"--checkpoint={_CHECKPOINT.value} would change nothing in --mode={_MODE.value}. It is for "
            f"{', '.join(_OF_CHECKPOINT)}. Leave it out"
        )
    if _TOPOLOGY.value is not None and _MODE.value != "plan":
        raise UserError(
            f"--topology={_TOPOLOGY.value} would change nothing in --mode={_MODE.value}: add --mode=plan, or leave it "
            "out"
        )
    if flags.FLAGS["seconds"].present and _MODE.value != "benchmark":
        raise UserError(
            f"--seconds={_SECONDS.value:g} would change nothing in --mode={_MODE.value}: add --mode=benchmark, or set "
            "config.budget.seconds for a training of that length"
        )
    if not 0 < _SECONDS.value < float("inf"):
        raise UserError(f"--seconds={_SECONDS.value:g}: a positive number of seconds, such as 60")


def _check_joining() -> None:
    """Refuses the flags of one of several processes in a process that would train alone, beside the others."""
    alone = [flag.name for flag in (_COORDINATOR, _NUM_PROCESSES, _PROCESS_ID) if flag.value is not None]
    if alone and not _DISTRIBUTED.value:
        raise UserError(f"--{alone[0]} needs --distributed: without it this process trains by itself")


def _study(path: str, workdir: Path) -> None:
    """Runs a study; its runs are processes of their own, and this one leaves the devices alone."""
    from jaxgen.study import conductor

    if _DISTRIBUTED.value:
        raise UserError("--distributed is for single runs: a study does its runs one after the other on one machine")
    study = definition.read(_CONFIG.value, path)
    if _MODE.value == "train":
        _check_runs(study)
    conductor.conduct(study, workdir, _MODE.value, _CHECKPOINT.value)


def _check_runs(study: definition.StudyPlan) -> None:
    """Refuses an entry that its run would refuse, before the first run has trained for hours."""
    import jax

    from jaxgen.commands import run_request

    jax.config.update("jax_platforms", "cpu")  # of this process alone: the accelerator is for the runs
    for entry in study.entries:
        config = entry.runs[0].config.copy_and_resolve_references()
        try:
            paths.resolve_keys(config)
            run_request.check_training(config, is_new=False)
        except UserError as error:
            raise UserError(f"config.entries.{entry.name}: {error}") from None


def _quiet_about_threads() -> None:
    """What threads of orbax, tensorstore and TensorBoard cry out on a full disk or at damage stays unsaid.

    One line tells of it.
    """
    show = sys.unraisablehook

    def hook(ignored):
        error = ignored.exc_value
        # A save that failed closed its event loop; tensorstore's threads still report to it, and are refused.
        late = isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
        # Of a damaged checkpoint orbax raises the first error. Its reads of further arrays end unheard.
        late = late or f"{os.sep}orbax{os.sep}" in getattr(getattr(ignored.object, "cr_code", None), "co_filename", "")
        # TensorBoard's writer flushes once more when the interpreter ends.
        if not late and not (isinstance(error, OSError) and error.errno in command_line.FULL):
            show(ignored)

    sys.unraisablehook = hook


def run() -> None:
    """Entry point. Bad input ends in one line on stderr and exit code 2. No input at all shows how to start."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # import paths in a config mean the same for the script and for `python -m`
    if len(sys.argv) == 1:
        print(__doc__.strip())
        return
    run_process.follow_study()
    _quiet_about_threads()
    with streams.survive():
        try:
            app.run(_main, flags_parser=_parse_flags)
        except Exception as error:
            line = command_line.explained(error)
            if line is None:
                raise
            print(command_line.error_line(line), file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:  # a training saves and ends at it; other modes have nothing to save
            print(command_line.error_line("interrupted"), file=sys.stderr)
            sys.exit(130)


if __name__ == "__main__":
    run()
