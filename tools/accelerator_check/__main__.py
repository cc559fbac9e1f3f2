"""Checks jaxgen on the accelerator of this machine, within minutes.

    python -m tools.accelerator_check.carry --out carried --have names.txt --images cifar10.zip   # at home, see there
    python -m tools.accelerator_check --out check --images carried/images.zip                     # on the machine
    python -m tools.accelerator_check --out check --tiny                                          # a rehearsal on a CPU

It runs in a checkout, without a network. `OUT/check.json` is written anew after each part, and `OUT/NAME.log` has what
the part said. The last lines are a table of all rows. The exit code is 1 if a row is out of its bound or a part failed.
"""

import argparse
import signal
import sys
from pathlib import Path

from tools.accelerator_check.conductor import ORDER, check, table
from tools.accelerator_check.record import Options


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--seconds", type=float, default=480.0, help="for all parts together")
    parser.add_argument("--parts", nargs="+", choices=ORDER, default=ORDER, help="default: all, in this order")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to rehearse on a CPU")
    parser.add_argument("--golden", type=Path, help="folder with arrays of the reference implementations")
    parser.add_argument("--images", type=Path, help="zip of images in folders by split and class, to learn from")
    parser.add_argument("--chip", default="h100", help="the plans' hardware, as in --topology: a100-80gb, h100, h200")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    paths = {
        name: path and str(path.absolute())
        for name, path in (("golden", arguments.golden), ("images", arguments.images))
    }
    options = Options(out=str(out), tiny=arguments.tiny, chip=arguments.chip, **paths)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the parts, which are sessions of their own, end with it
    result = check(options, tuple(arguments.parts), arguments.seconds)
    print(table(result), flush=True)
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
