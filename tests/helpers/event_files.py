"""TensorBoard's event files, read as TensorBoard reads them."""

import struct

from tensorboardX.proto.event_pb2 import Event, SessionLog


def events(path):
    """The records of an event file: length, its checksum, the event, its checksum."""
    data, found = path.read_bytes(), []
    while len(data) >= 12:
        (length,) = struct.unpack("<Q", data[:8])
        if len(data) < 16 + length:
            break  # a kill cut it short
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def shown(folder):
    """tag -> [(step, value)] of all files of a folder: a restart hides the events from its step on."""
    found = {}
    for path in sorted(folder.glob("events*"), key=lambda path: int(path.name.split(".")[3])):
        for event in events(path):
            if event.session_log.status == SessionLog.START:
                found = {tag: [pair for pair in pairs if pair[0] < event.step] for tag, pairs in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found
