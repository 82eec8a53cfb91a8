#!/usr/bin/env python3
"""A pilot without any SDK: pyzmq, protobuf, LAUNCH_* variables. Nothing moves unless the right bumper is held."""
import contextlib, os, pathlib, signal, socket, sys, time
import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "proto" / "python"))
from offboard.v1.control_pb2 import Drive, Gamepad
from offboard.v1.header_pb2 import Header

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # launch asks the node to stop
now = lambda: time.monotonic_ns() + int(os.environ["LAUNCH_CLOCK_OFFSET_NS"])  # the machine's steady timeline
endpoint, pad_topic, pad_type = os.environ["LAUNCH_SUB_PAD"].split()
drive_topic, drive_type, *listeners = os.environ["LAUNCH_PUB_DRIVE"].split()
status, alive = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), os.environ.get("LAUNCH_STATUS", "")[len("unix:"):]
sockets = zmq.Context()
pads, drives = sockets.socket(zmq.SUB), sockets.socket(zmq.PUB)
drives.sndhwm = 1  # a listener that does not listen gets the newest, not the past
[drives.bind(listener) for listener in listeners]
pads.connect(endpoint)
pads.subscribe(pad_topic)

header, pad, seq, incarnation = Header(), Gamepad(), 0, now()
while True:
    pads.poll(50)  # ms: even in silence there are commands and heartbeats
    while pads.poll(0):  # the newest wins
        topic, head, body = pads.recv_multipart()
        head = Header.FromString(head)
        if topic.decode() == pad_topic and head.type == pad_type and head.status == 0:  # ZeroMQ compares prefixes only
            header, pad = head, Gamepad.FromString(body)
    if now() - header.stamp_ns > 250_000_000 or not pad.connected:  # silent or unplugged: neutral, our own word
        pad, header = Gamepad(), Header(stamp_ns=now(), origin=os.environ["LAUNCH_GRAPH"] + ":" + drive_topic)
    held, seq = pad.right_bumper and not pad.start, seq + 1
    drive = Drive(forward=pad.left_stick_y * held / 2, turn=pad.right_stick_x * held / 2, source="human",
                  emergency_stop=pad.east, reset=pad.start)
    head = Header(seq=seq, incarnation=incarnation, sent_ns=now(), stamp_ns=header.stamp_ns, origin=header.origin,
                  type=drive_type)
    drives.send_multipart([drive_topic.encode(), head.SerializeToString(), drive.SerializeToString()])
    with contextlib.suppress(OSError):  # the heartbeat, which launch need not hear
        status.sendto(f"{os.environ['LAUNCH_NODE']} {incarnation}\n".encode(), socket.MSG_DONTWAIT, alive)
