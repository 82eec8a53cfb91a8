"""The loop as bare pyzmq: three processes, two hops, no header, no type, no queue of its own. Prints ages in nanoseconds."""
import os, sys, time
import zmq

count, warm, size = map(int, sys.argv[1:4])
frames, drive = sys.argv[4:6]


def source():
    out = zmq.Context().socket(zmq.PUB)
    out.bind(frames)
    picture = bytes(size)
    due = time.monotonic()
    while True:
        due += 1 / 30
        time.sleep(max(0, due - time.monotonic()))
        out.send_multipart([b"frames", time.monotonic_ns().to_bytes(8, "little"), picture], copy=False)


def pilot():
    context = zmq.Context()
    heard, out = context.socket(zmq.SUB), context.socket(zmq.PUB)
    heard.connect(frames)
    heard.subscribe(b"frames")
    out.bind(drive)
    while True:
        _, stamp, picture = heard.recv_multipart(copy=False)
        sum(picture.buffer[::997])  # reads a little of it: without numpy the whole would take longer than the way
        out.send_multipart([b"drive", stamp.bytes, b"command"])


children = []
for role in source, pilot:
    pid = os.fork()
    if pid == 0:
        role()
    children.append(pid)
heard = zmq.Context().socket(zmq.SUB)
heard.connect(drive)
heard.subscribe(b"drive")
ages = []
try:
    while len(ages) < count:
        _, stamp, _ = heard.recv_multipart()
        ages.append(time.monotonic_ns() - int.from_bytes(stamp, "little"))
finally:
    for pid in children:
        os.kill(pid, 9)
print(*ages[warm:])
