"""Reads with other people's programs what bag wrote, and says what it found as one JSON object."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def mcap(path):
    """A recording, by PyPI's mcap and mcap-protobuf-support, and by Rerun."""
    import io

    from mcap.reader import make_reader
    from mcap.stream_reader import StreamReader
    from mcap_protobuf.decoder import DecoderFactory
    from PIL import Image

    counts, schemas, sizes, drives = {}, {}, set(), []
    with open(path, "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for schema, channel, message, decoded in reader.iter_decoded_messages():
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
            schemas[channel.topic] = schema.name
            if schema.name == "foxglove.CompressedImage":
                sizes.add(Image.open(io.BytesIO(decoded.data)).size)
            if schema.name == "offboard.v1.Drive":
                drives.append([decoded.turn, decoded.forward, message.publish_time])
    with open(path, "rb") as file:
        streamed = sum(type(record).__name__ == "Message" for record in StreamReader(file).records)
    rerun = Path(sys.executable).with_name("rerun")
    check = subprocess.run([rerun, "mcap", "check", path], capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as folder:
        rrd = Path(folder) / "x.rrd"
        convert = subprocess.run([rerun, "mcap", "convert", path, "-o", rrd], capture_output=True, text=True)
        shown = subprocess.run([rerun, "rrd", "print", rrd, "-vv"], capture_output=True, text=True).stdout
    return {
        "counts": counts,
        "schemas": schemas,
        "sizes": sorted(sizes),
        "drives": drives,
        "streamed": streamed,
        "rerun_check": check.returncode,
        "rerun_said": (check.stdout + check.stderr + convert.stderr)[-2000:],
        "rerun_convert": convert.returncode,
        "pictures_in_rerun": "EncodedImage" in shown,
    }


def lerobot(root, frames):
    """A LeRobot data set, by its documented layout: pyarrow, pandas and PyAV."""
    import av
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq
    from PIL import Image

    root, frames = Path(root), Path(frames)
    info = json.loads((root / "meta/info.json").read_text())
    stats = json.loads((root / "meta/stats.json").read_text())
    tasks = pd.read_parquet(root / "meta/tasks.parquet")
    episodes = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet")
    data = pq.read_table(root / info["data_path"].format(chunk_index=0, file_index=0))
    [key] = [name for name, feature in info["features"].items() if feature["dtype"] == "video"]
    video = av.open(str(root / info["video_path"].format(video_key=key, chunk_index=0, file_index=0)))
    stream = video.streams.video[0]
    pictures, times, errors = 0, [], []
    originals = sorted(frames.glob("*.jpg"))
    for frame in video.decode(stream):
        times.append(frame.time)
        if pictures % 10 == 0:
            original = np.asarray(Image.open(originals[pictures]).convert("RGB"), dtype=float)
            decoded = frame.to_ndarray(format="rgb24").astype(float)
            errors.append(float(np.abs(original - decoded).mean()))
        pictures += 1
    columns = {name: data.column(name).to_pylist() for name in data.column_names}
    grid = max(abs(time - index / info["fps"]) for index, time in enumerate(times))
    return {
        "info": info,
        "stats": stats,
        "task": [str(tasks.index.name), tasks.index.tolist(), tasks["task_index"].tolist()],
        "episodes": episodes.to_pylist(),
        "rows": data.num_rows,
        "groups": pq.read_metadata(root / "data/chunk-000/file-000.parquet").num_row_groups,
        "types": {field.name: str(field.type) for field in data.schema},
        "columns": columns,
        "pictures": pictures,
        "codec": stream.codec_context.name,
        "size": [stream.width, stream.height],
        "grid_error_s": grid,
        "pixel_error": max(errors),
    }


def film(path):
    """A film, by PyAV: when each picture is shown, and the brightness of each."""
    import av

    video = av.open(path)
    stream = video.streams.video[0]
    shown = [(frame.time, float(frame.to_ndarray(format="gray").mean())) for frame in video.decode(stream)]
    return {"times": [time for time, _ in shown], "brightness": [light for _, light in shown]}


if __name__ == "__main__":
    verb, *args = sys.argv[1:]
    print(json.dumps({"mcap": mcap, "lerobot": lerobot, "film": film}[verb](*args)))
