"""Styles of images in a file, as a projection leaves them."""

import zipfile
from pathlib import Path

import numpy as np

from jaxgen.errors import UserError

_STYLES = ("w_plus", "w")  # arrays of this projector; the published one's `w` is [1, L, D]


def read(path: str, num_ws: int, w_dim: int) -> np.ndarray:
    """Styles [n, L, D] of a projection's .npz. `w_plus` or `w` is [n, L, D], or [n, D] for equal layers.

    Args:
      path: such as projections_w.npz, or the projected_w.npz of NVIDIA's scripts.
      num_ws, w_dim: L and D of the network.

    Raises:
      UserError: no such file, no such arrays, or arrays of another network.
    """
    where = f"config.sample.styles={path!r}"
    if not Path(path).is_file():
        raise UserError(f"{where}: no such file")
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise UserError(f"{where} is a single array. Name a .npz with the array 'w' or 'w_plus'")
        with arrays:
            name = next((name for name in _STYLES if name in arrays), None)
            if name is None:
                raise UserError(f"{where} holds {', '.join(arrays)}, but no array 'w' or 'w_plus'")
            styles = arrays[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{where} cannot be read ({error}). It must be a .npz of plain arrays") from None
    if styles.ndim == 2:
        styles = np.repeat(styles[:, None], num_ws, axis=1)
    if styles.ndim != 3 or styles.shape[1:] != (num_ws, w_dim) or not len(styles):
        raise UserError(
            f"{where}: {name} is {list(styles.shape)}, but this network's styles are [n, {num_ws}, {w_dim}] "
            f"or [n, {w_dim}]"
        )
    if not np.isfinite(styles).all():
        raise UserError(f"{where}: {name} is not finite")
    return styles.astype(np.float32)
