"""`--mode=plan`: whether a config's step fits on hardware that is not here, and how long the run would take there."""

import json
import logging
import math
from collections import Counter
from typing import Any

import jax
from jax.sharding import Mesh

from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.files.logs import start_log
from jaxgen.planning import gpu, subject
from jaxgen.planning.hardware import GIB, Hardware, Roofline, open_hardware, roofline
from jaxgen.planning.program import Program, TooLarge, compile_step, search_largest_batch
from jaxgen.planning.subject import Subject
from jaxgen.training import compiled_steps
from jaxgen.training.operations import StepCost

log = logging.getLogger(__name__)


def plan(config, topology: str | None) -> dict[str, Any]:
    """Compiles (or, for GPUs, lowers) one training step. Prints its cost and returns it as plain values.

    Args:
      config: the whole config. Only this mode reads `config.plan`.
      topology: such as "v5e:2x4" or "h100:8". See `jaxgen.planning.hardware`.

    Raises:
      UserError: no such hardware, an impossible config, or data of unknown size.
    """
    if not topology:
        raise UserError("--mode=plan needs --topology, the hardware to plan for, such as v5e:2x4 or h100:8")
    start_log(None, show=True)
    hardware = open_hardware(topology)
    examples = subject.examples_of(config)
    mesh = hardware.mesh or parallel.mesh_of_others(hardware.count)
    planned = subject.build(config, examples, config.batch_size, mesh)
    cost = compiled_steps.step_cost(planned.recipe, planned.batching, mesh, planned.state, planned.data)
    data_bytes = sum(array.size * array.dtype.itemsize for array in jax.tree.leaves(planned.data))
    result = {
        "topology": hardware.name,
        "devices": hardware.count,
        "batch_size": config.batch_size,
        "device_memory_bytes": int(hardware.chip.memory_gib * GIB),
        "bytes": {**subject.state_bytes(planned.state), "data": data_bytes},
        "operations_per_step_per_device": cost.operations,
        "operations_of_the_busiest_step": cost.busiest_operations,
        "operations_written": cost.written_operations,
        "collective_bytes_per_step": cost.collective_bytes,
    }
    if hardware.mesh is None:
        result |= _of_gpus(config, planned, hardware, mesh, cost)
        print(*describe(result), sep="\n", flush=True)
    else:
        log.info("compiling one step for %s (%s) ...", hardware.name, _count(hardware.count, "chip"))
        program = compile_step(planned, hardware.mesh)
        result |= _of_tpus(config, planned, hardware, cost, program)
        print(*describe(result), sep="\n", flush=True)
        if config.plan.largest_batch:
            result |= _largest_batch(config, planned, hardware, program)
            more = " and more: config.plan.max_batch ended the search" if result["largest_batch_ended_by_limit"] else ""
            print(f"largest batch that fits: {result['largest_batch']:,}{more}", flush=True)
    print(json.dumps(result))
    return result


def _of_tpus(
    config, planned: Subject, hardware: Hardware, cost: StepCost, program: Program | TooLarge
) -> dict[str, Any]:
    result = {"fits": isinstance(program, Program), "compile_seconds": round(program.compile_seconds, 1)}
    if isinstance(program, TooLarge):
        return {**result, "needs_bytes": None if math.isnan(program.needs) else int(program.needs)}
    # XLA counts loops once and of conditions the dearest branch; its bytes are put right in the same proportion.
    share = cost.operations / cost.written_operations if cost.written_operations else 1.0
    accessed = program.bytes_accessed * share
    bound = roofline(hardware, cost, accessed, len(program.collectives))
    return {
        **result,
        "program_bytes": {
            "arguments": program.arguments,
            "temporaries": program.temporaries,
            "outputs": program.outputs - program.aliased,
            "code": program.code,
            "all": program.bytes,
        },
        "operations_compiled": program.operations,
        "bytes_accessed_per_step": accessed,
        "collectives": [collective._asdict() for collective in program.collectives],
        **_time(config, planned.batching.batch_size, bound),
        **_compilers_time(share * program.optimal_seconds, bound),
    }


def _largest_batch(config, planned: Subject, hardware: Hardware, program: Program | TooLarge) -> dict[str, Any]:
    def compile_batch(batch: int) -> Program | TooLarge | None:
        try:
            again = subject.build(config, planned.examples, batch, hardware.mesh)
        except UserError:  # groups or packs that it does not divide into: no run can have it
            return None
        log.info("compiling with batch %d ...", batch)
        return compile_step(again, hardware.mesh)

    log.info("searching the largest batch that fits, by compiling (config.plan.largest_batch=False skips this) ...")
    unit = hardware.count * config.grad_accum_steps
    limit = max(config.batch_size, config.plan.max_batch)
    batch, compiled = search_largest_batch(compile_batch, config.batch_size, program, unit, limit)
    ended = not any(isinstance(outcome, TooLarge) for outcome in compiled.values())
    return {"largest_batch": batch, "largest_batch_ended_by_limit": ended}


def _of_gpus(config, planned: Subject, hardware: Hardware, mesh: Mesh, cost: StepCost) -> dict[str, Any]:
    lowered = gpu.lower_step(planned, mesh)
    bfloat16 = config.compute_dtype == "bfloat16"
    bound = roofline(hardware, cost, lowered.estimate.traffic, 1 if cost.collective_bytes else 0, bfloat16=bfloat16)
    peak = lowered.estimate.peak
    needs = lowered.arguments + peak
    return {
        "estimated": True,
        "fits": needs < 0.9 * hardware.chip.memory_gib * GIB,  # the rest is XLA's pool, CUDA and cuDNN
        "program_bytes": {"arguments": int(lowered.arguments), "temporaries": int(peak), "all": int(needs)},
        "stablehlo_bytes": lowered.stablehlo_bytes,
        "bytes_accessed_per_step": lowered.estimate.traffic,
        **_time(config, planned.batching.batch_size, bound),
    }


def _time(config, batch_size: int, bound: Roofline) -> dict[str, Any]:
    return {
        "roofline_seconds": bound._asdict(),
        "images_per_second": batch_size / bound.step,
        "days": config.steps * bound.step / 86_400,
        "peak_fraction": bound.peak_fraction,
        "limit": bound.limit,
    }


def _compilers_time(seconds: float, bound: Roofline) -> dict[str, float]:
    # Sane: a positive number that is no less than a tenth of what products and traffic take at least. XLA gives
    # negative ones where it cannot tell, and may be below the roofline, which counts traffic before operations are
    # merged.
    sane = math.isfinite(seconds) and seconds > 0 and seconds >= 0.1 * max(bound.products, bound.memory)
    return {"compiler_seconds": seconds} if sane else {}


def describe(result: dict[str, Any]) -> list[str]:
    """The lines that a person reads."""
    memory = result["device_memory_bytes"]
    lines = [
        f"{result['topology']}: {_count(result['devices'], 'device')}, batch {result['batch_size']} "
        f"({result['batch_size'] // result['devices']} each)"
    ]
    note = ", estimated" if result.get("estimated") else ""
    if result["fits"]:
        used = result["program_bytes"]["all"]
        lines.append(f"fits: yes, {_size(used)} of {_size(memory)} on each device ({used / memory:.0%}){note}")
    elif result.get("needs_bytes"):
        lines.append(f"fits: no, it needs {_size(result['needs_bytes'])}, but a device has {_size(memory)}")
    else:
        needs = f", it needs {_size(result['program_bytes']['all'])}" if "program_bytes" in result else ""
        lines.append(f"fits: no{needs}. A device has {_size(memory)}{note}")
    rows = [(name, _size(size)) for name, size in result["bytes"].items()]
    if "program_bytes" in result:
        rows.append(("activations and temporaries" + note, _size(result["program_bytes"]["temporaries"])))
    rows += [
        ("operations a step and device", f"{result['operations_per_step_per_device'] / 1e9:,.2f} GFLOP"),
        ("collectives a step", _size(result["collective_bytes_per_step"])),
    ]
    if "roofline_seconds" in result:
        bound = result["roofline_seconds"]
        rows.append(("bytes moved a step and device" + note, _size(result["bytes_accessed_per_step"])))
        rows += [(f"time of {name}", _milliseconds(bound[name])) for name in ("products", "memory", "collectives")]
        rows.append(("a step, at least", f"{_milliseconds(bound['step'])}, held up by {result['limit']}"))
        if "compiler_seconds" in result:
            rows.append(("a step, by the compiler", _milliseconds(result["compiler_seconds"])))
        rows += [
            ("of the peak, at most", f"{result['peak_fraction']:.1%}"),
            ("images a second, at most", f"{result['images_per_second']:,.0f}"),
            ("the whole run, at least", _duration(result["days"])),
        ]
    width = max(len(name) for name, _ in rows)
    lines += [f"  {name:<{width}}  {value:>12}" for name, value in rows]
    counts = Counter((entry["kind"], entry["bytes"], entry["sometimes"]) for entry in result.get("collectives", ()))
    for (kind, bytes_, sometimes), count in sorted(counts.items(), key=lambda item: -item[0][1]):
        every = "in some steps" if sometimes else "every step"
        lines.append(f"  {count} x {kind} of {_size(bytes_)}, {every}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _size(size: float) -> str:
    for unit, bytes_ in (("GiB", GIB), ("MiB", GIB / 2**10), ("KiB", 2**10)):
        if size >= bytes_:
            return f"{size / bytes_:,.2f} {unit}"
    return f"{size:,.0f} B"


def _duration(days: float) -> str:
    for unit, in_days in (("days", 1.0), ("hours", 1 / 24)):
        if days >= in_days:
            return f"{days / in_days:,.2f} {unit}"
    return f"{1440 * days:.2f} minutes"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.3f} ms"
