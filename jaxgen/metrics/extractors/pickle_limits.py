"""Walks a pickle before it is loaded, so that a small file cannot make the unpickler take much memory or time."""

import io
import pickle
import pickletools

_MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_CALLS = frozenset(("REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"))
# Writers of pickles need one call for each array and a few for its type and storage.
_MOST_CALLS = 1_000_000


class Budget:
    """How many bytes the functions that a pickle calls may make in all, so that it cannot copy its text endlessly.

    The pickle reaches no attribute of it: whoever holds it is a tuple or has slots that the pickle cannot name.
    """

    __slots__ = ("left",)

    def __init__(self, size: int):
        self.left = size

    def take(self, size: int) -> None:
        """Counts bytes.

        Raises:
          pickle.UnpicklingError: they are more than all that the file holds.
        """
        self.left -= size
        if self.left < 0:
            raise pickle.UnpicklingError("it makes more bytes than it holds")


def check(stream: io.BytesIO) -> None:
    """Reads the pickle that starts at the stream's place, runs nothing, and goes back to that place.

    Python's unpickler keeps a table of objects, and takes memory for the largest number that the pickle names. Writers
    count these numbers upwards.

    Raises:
      pickle.UnpicklingError: a number beyond the count, or calls without end.
      ValueError: bytes that are no pickle, or a pickle that ends early.
    """
    start, calls = stream.tell(), 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in _MEMO and not 0 <= int(argument) <= count:
            raise pickle.UnpicklingError(f"it numbers its objects out of turn ({str(argument)[:20]})")
        calls += opcode.name in _CALLS
        if calls > _MOST_CALLS:
            raise pickle.UnpicklingError(f"it makes more than {_MOST_CALLS:,} calls")
    stream.seek(start)
