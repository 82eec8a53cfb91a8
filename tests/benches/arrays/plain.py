"""What one writes by hand: pyzmq, numpy, a window of 50 rows, one product. Weights from nowhere, paired with nothing."""
import os, pathlib, signal, sys, time
import numpy, zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "proto" / "python"))
from offboard.v1.array_pb2 import DTYPE_F32, Array
from offboard.v1.header_pb2 import Header

LAGS = 50
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
now = lambda: time.monotonic_ns() + int(os.environ["LAUNCH_CLOCK_OFFSET_NS"])
endpoint, topic, kind = os.environ["LAUNCH_SUB_INPUT"].split()
out_topic, out_kind, *listeners = os.environ["LAUNCH_PUB_PREDICTION"].split()
sockets = zmq.Context()
inputs, outputs = sockets.socket(zmq.SUB), sockets.socket(zmq.PUB)
[outputs.bind(listener) for listener in listeners]
inputs.connect(endpoint)
inputs.subscribe(topic)

rows, weights, seq, incarnation = None, None, 0, now()
while True:
    _, head, body = inputs.recv_multipart()
    head, array = Header.FromString(head), Array.FromString(body)
    row = numpy.frombuffer(array.data, "<f4")
    if rows is None:
        rows = numpy.zeros((LAGS, len(row)), "f4")
        weights = numpy.random.default_rng(1).normal(size=(2, rows.size)).astype("f4")
    rows[:-1] = rows[1:]
    rows[-1] = row
    predicted = weights @ rows.ravel()
    seq += 1
    answer = Array(dtype=DTYPE_F32, shape=[2], data=predicted.tobytes())
    header = Header(seq=seq, incarnation=incarnation, sent_ns=now(), stamp_ns=head.stamp_ns, origin=head.origin, type=out_kind)
    outputs.send_multipart([out_topic.encode(), header.SerializeToString(), answer.SerializeToString()])
