"""Reads `.npy` files, with one line for those that are damaged or something else."""

from pathlib import Path

import numpy as np

from jaxgen.errors import UserError


def read(file: Path, where: str = "", mapped: bool = False) -> np.ndarray:
    """The array in a file. Objects are not unpickled.

    Args:
      where: the file's name for messages. "": its path.
      mapped: leaves the array in the file (`numpy.memmap`).

    Raises:
      UserError: the file is damaged, or no `.npy` file.
    """
    where = where or str(file)
    try:
        with file.open("rb") as start:
            is_zip = start.read(2) == b"PK"
        if not is_zip:  # numpy would leave a damaged one open
            return np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    except Exception as error:  # Damaged files raise a dozen types.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{where} is damaged or no .npy file: it cannot be read ({reason})") from None
    raise UserError(f"{where} cannot be read: it is an .npz. Save each of its arrays as .npy with numpy.save")
