"""What both nodes share: a hidden movement by seed and time, and a way to speak at 1 kHz: pyzmq, protobuf, LAUNCH_* variables."""
import contextlib, json, os, pathlib, signal, socket, sys, time
import numpy, zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "proto" / "python"))
from offboard.v1.array_pb2 import DTYPE_F32, Array
from offboard.v1.header_pb2 import Header

params = json.loads(os.environ.get("LAUNCH_PARAMS") or "{}")
random = numpy.random.default_rng(params.get("seed", 1))  # the same in both nodes, as long as nothing else is drawn before
PARTS = [(random.uniform(0.2, 1.2, 2), random.uniform(0, 2 * numpy.pi, 2)) for _ in range(3)]


def position(seconds):
    """Where the hand is then: two coordinates, smooth, about -1 to 1."""
    return sum(numpy.sin(2 * numpy.pi * rate * seconds + phase) for rate, phase in PARTS) / 2


def speak(output, columns, sample, period_ns=1_000_000):
    """Sends sample(seconds) once a period, each with its own time as stamp, until launch asks to stop. A share `loss` is lost."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    offset = int(os.environ["LAUNCH_CLOCK_OFFSET_NS"])
    topic, kind, *listeners = os.environ["LAUNCH_PUB_" + output].split()
    status, alive = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), os.environ.get("LAUNCH_STATUS", "")[len("unix:"):]
    sockets = zmq.Context().socket(zmq.PUB)
    [sockets.bind(listener) for listener in listeners]
    origin, incarnation = os.environ["LAUNCH_GRAPH"] + ":" + topic, time.monotonic_ns() + offset
    chance, loss = numpy.random.default_rng(), params.get("loss", 0)
    first = incarnation // period_ns + 1
    for seq in range(1, sys.maxsize):
        stamp = (first + seq) * period_ns
        while (wait := stamp - offset - time.monotonic_ns()) > 0:
            time.sleep(wait / 1e9)
        if seq % 250 == 1:
            with contextlib.suppress(OSError):  # the heartbeat, which launch need not hear
                status.sendto(f"{os.environ['LAUNCH_NODE']} {incarnation}\n".encode(), socket.MSG_DONTWAIT, alive)
        values = sample(stamp / 1e9)
        if chance.random() < loss:
            continue  # its number is missing
        array = Array(dtype=DTYPE_F32, shape=[len(values)], data=values.astype("<f4").tobytes(), columns=columns)
        head = Header(seq=seq, incarnation=incarnation, sent_ns=time.monotonic_ns() + offset, stamp_ns=stamp, origin=origin, type=kind)
        sockets.send_multipart([topic.encode(), head.SerializeToString(), array.SerializeToString()])
