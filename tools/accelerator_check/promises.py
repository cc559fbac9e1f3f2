"""Beside the first parts, on the host: what `--mode=plan` promises for the steps that part "fast" times."""

from jaxgen.devices import parallel
from jaxgen.planning import gpu
from jaxgen.planning.hardware import open_hardware, roofline
from jaxgen.training import compiled_steps
from tools.accelerator_check.record import Options, Record
from tools.accelerator_check.subjects import build, config_of, experiments, random_images


def measure(options: Options, record: Record) -> None:
    """One row for each experiment and precision: seconds of a step, and bytes."""
    hardware = open_hardware(f"{options.chip}:1")
    mesh = parallel.mesh_of_others(1)
    for chosen in experiments(options.tiny):
        images = random_images(chosen, options.tiny)
        for precision in ("TF32",) if options.tiny else ("TF32", "bfloat16"):
            planned = build(config_of(chosen, precision, options.tiny), images)
            cost = compiled_steps.step_cost(planned.recipe, planned.batching, mesh, planned.state, planned.data)
            lowered = gpu.lower_step(planned, mesh)
            narrow = precision == "bfloat16"
            bound = roofline(hardware, cost, lowered.estimate.traffic, 0, bfloat16=narrow)
            more = {"bytes": lowered.arguments + lowered.estimate.peak, "limit": bound.limit}
            peak = hardware.chip.teraflops if narrow else hardware.chip.teraflops_float32
            more |= {"teraflops": peak, "operations": cost.operations}
            record.row(f"{chosen.name}, {precision}", bound.step, "s", None, **more)
