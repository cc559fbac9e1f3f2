"""Videos from frames: GIF by Pillow, MP4 by imageio-ffmpeg."""

import importlib.util
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jaxgen.errors import UserError
from jaxgen.pictures import image_grids

# Frames are enlarged by a whole factor to about this side.
_VISIBLE_SIDE = 256


def check(kind: str) -> None:
    """Refuses a format whose library is missing.

    Raises:
      UserError: `kind` is "mp4", and there is no imageio-ffmpeg.
    """
    if kind == "mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(
            "config.sample.video='mp4' needs imageio-ffmpeg. Run: pip install 'jaxgen[video]'. Or set video=gif, which "
            "needs no package"
        )


def save(frames: Iterable[np.ndarray], path: Path, fps: int) -> None:
    """Writes frames uint8 [H, W, C] (C 1 or 3) to a .gif or .mp4, whole or not at all.

    A GIF counts in hundredths of a second, repeats for ever, and has 256 colours a frame.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    enlarged = (image_grids.enlarged(frame, _VISIBLE_SIDE) for frame in frames)
    {".gif": _save_gif, ".mp4": _save_mp4}[path.suffix](enlarged, temporary, fps)
    temporary.replace(path)


def _save_gif(frames, path: Path, fps: int) -> None:
    pictures = map(image_grids.single, frames)
    milliseconds = max(round(100 / fps), 1) * 10
    next(pictures).save(path, format="GIF", save_all=True, append_images=pictures, duration=milliseconds, loop=0)


def _save_mp4(frames, path: Path, fps: int) -> None:
    """H.264 with the usual colours, whose sides are even."""
    import imageio_ffmpeg

    process = None
    try:
        for frame in frames:
            height, width, channels = frame.shape
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if process is None:
                shape = f"{frame.shape[1]}x{frame.shape[0]}"
                command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo"]
                command += ["-pix_fmt", "rgb24", "-s", shape, "-r", str(fps), "-i", "-", "-an", "-vcodec", "libx264"]
                command += ["-pix_fmt", "yuv420p", "-crf", "18", "-f", "mp4", str(path)]
                # Started here and not by imageio, which forks, of which JAX warns since it has threads.
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdin.write(np.repeat(frame, 3 // channels, axis=2).tobytes())
    except BrokenPipeError:
        pass  # ffmpeg has ended, and says why
    finally:
        message = process.communicate()[1] if process else b""
    if process.returncode:
        raise UserError(f"{path}: ffmpeg could not write the video: {message.decode(errors='replace')}")
