"""Styles in a file: what a projection found, here or by the published scripts, to make images of again."""

import zipfile
from pathlib import Path

import numpy as np

from jaxgen.errors import UserError

_NAMES = ("w_plus", "w")  # this projector's; the published one's `w` is [1, L, D]


def read(path: str, num_ws: int, w_dim: int, key: str) -> np.ndarray:
    """Styles [n, L, D] of a .npz that holds `w_plus` or `w`, [n, L, D] or, the same for all layers, [n, D].

    Args:
      path: such as projections_w.npz, or the projected_w.npz of NVIDIA's scripts.
      num_ws, w_dim: L and D of the network. key: named in errors.

    Raises:
      UserError: no such file, no such arrays, or of another network.
    """
    if not Path(path).is_file():
        raise UserError(f"{key}={path!r}: no such file")
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise UserError(f"{key}={path!r} is a single array: a .npz with the array 'w' or 'w_plus' is wanted")
        with arrays:
            name = next((name for name in _NAMES if name in arrays), None)
            if name is None:
                raise UserError(f"{key}={path!r} holds {', '.join(arrays)}: no array 'w' or 'w_plus'")
            styles = arrays[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{key}={path!r} cannot be read ({error}): it must be a .npz of plain arrays") from None
    if styles.ndim == 2:
        styles = np.repeat(styles[:, None], num_ws, axis=1)
    if styles.ndim != 3 or styles.shape[1:] != (num_ws, w_dim) or not len(styles):
        raise UserError(
            f"{key}={path!r}: {name} is {list(styles.shape)}, and this network's styles are [n, {num_ws}, {w_dim}] "
            f"or [n, {w_dim}]"
        )
    if not np.isfinite(styles).all():
        raise UserError(f"{key}={path!r}: {name} is not finite")
    return styles.astype(np.float32)
