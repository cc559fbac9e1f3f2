"""Collects, at home, what a machine without a network lacks: wheels, and images to learn from.

    python -m pip list --format=freeze > have.txt                       # on the machine, or a list of its packages
    python -m tools.accelerator_check.carry --out carried --have have.txt --images cifar10.zip --python 3.12

It prints the size of what it made. On the machine: `pip install --no-index --no-deps --target site carried/*.whl`, then
`PYTHONPATH=site`. tensorflow-datasets stays at home: no part reads a set of its own.
"""

import argparse
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# With what they alone need. The accelerator's own packages are the machine's.
LEFT_OUT = frozenset({"tensorflow-datasets", "jax", "jaxlib"})
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
MIB = 2**20


def lacking(have: set[str], root: str = "jaxgen") -> dict[str, str]:
    """Packages that jaxgen needs, and that the machine lacks: name -> the version that is installed here.

    Args:
      have: canonical names of the machine's packages. What such a package needs is there, too.
      root: the package whose needs are followed. It is not in the result.
    """
    found, waiting = {}, [root]
    while waiting:
        name = waiting.pop()
        for line in metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            key = canonicalize_name(needed.name)
            if key in have or key in LEFT_OUT or key in found:
                continue
            found[key] = metadata.version(needed.name)
            waiting.append(needed.name)
    return dict(sorted(found.items()))


def names_in(text: str) -> set[str]:
    """Canonical names of packages, one a line, with or without a version."""
    return {
        canonicalize_name(re.split(r"[\s=<>!~@;\[]", line.strip())[0]) for line in text.splitlines() if line.strip()
    }


def download(packages: dict[str, str], python: str, out: Path) -> None:
    """Wheels of these packages for Linux on x86-64."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(out)]
    command += ["--python-version", python, "--implementation", "cp"]
    command += [word for platform in _PLATFORMS for word in ("--platform", platform)]
    subprocess.run([*command, *(f"{name}=={version}" for name, version in packages.items())], check=True)


def thinned(source: Path, target: Path, most: int) -> int:
    """Copies every k-th file of a zip into a zip of at most `most` bytes of files, and returns their number.

    The order of a zip goes through splits and classes, so every k-th file keeps their shares.
    """
    with zipfile.ZipFile(source) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        every = max(1, -(-sum(entry.file_size for entry in files) // most))
        chosen = files[::every]
        with zipfile.ZipFile(target, "w") as smaller:
            for entry in chosen:
                smaller.writestr(entry.filename, archive.read(entry))
    return len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--have", type=Path, required=True, help="names of the machine's packages, one a line")
    parser.add_argument("--python", default="3.12", help="the machine's version")
    parser.add_argument("--images", type=Path, help="zip of images in folders by split and class")
    parser.add_argument("--images_mib", type=float, default=16.0, help="of images, at most")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    packages = lacking(names_in(arguments.have.read_text()))
    print("lacking:", ", ".join(f"{name} {version}" for name, version in packages.items()))
    download(packages, arguments.python, arguments.out)
    if arguments.images:
        count = thinned(arguments.images, arguments.out / "images.zip", int(arguments.images_mib * MIB))
        print(f"images: {count}")
    size = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(f"{size / MIB:.1f} MiB in {arguments.out}")


if __name__ == "__main__":
    main()
