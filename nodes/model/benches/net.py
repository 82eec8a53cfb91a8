"""The bench's network in PyTorch and onnxruntime, one thread; answers each line with what a round took. Started by net.rs."""

import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)
BATCH = 32
height, width, channels, predictions, batches = map(int, sys.argv[1:6])


def network():
    layers = []
    for spec in sys.argv[6:]:
        kind, *numbers = spec.split(",")
        numbers = [int(number) for number in numbers]
        if kind == "conv":
            inputs, outputs, kernel, stride = numbers
            layers += [nn.Conv2d(inputs, outputs, kernel, stride), nn.ReLU()]
        else:
            inputs, outputs, relu = numbers
            if not any(isinstance(layer, nn.Flatten) for layer in layers):
                layers.append(nn.Flatten())
            layers.append(nn.Linear(inputs, outputs))
            if relu:
                layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def session(net):
    """The same network for onnxruntime, made by hand: exporting needs more packages than running."""
    try:
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    nodes, weights, name = [], [], "input"
    for place, layer in enumerate(net):
        out = f"x{place}"
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            for kind, tensor in (("w", layer.weight), ("b", layer.bias)):
                weights.append(numpy_helper.from_array(tensor.detach().numpy(), f"{kind}{place}"))
            inputs = [name, f"w{place}", f"b{place}"]
            if isinstance(layer, nn.Conv2d):
                nodes.append(helper.make_node("Conv", inputs, [out], strides=list(layer.stride)))
            else:
                nodes.append(helper.make_node("Gemm", inputs, [out], transB=1))
        else:
            nodes.append(helper.make_node("Relu" if isinstance(layer, nn.ReLU) else "Flatten", [name], [out]))
        name = out
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [info("input", TensorProto.FLOAT, [1, channels, height, width])],
        [info(name, TensorProto.FLOAT, [1, 2])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def each(count, call):
    for _ in range(3):
        call()
    began = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - began) / count


def main():
    net = network()
    picture = torch.rand(1, channels, height, width)
    pictures, targets = torch.rand(BATCH, channels, height, width), torch.rand(BATCH, 2)
    adam = torch.optim.AdamW(net.parameters(), lr=1e-4)
    runtime = session(net)
    numbers = picture.numpy()

    def predict():
        with torch.inference_mode():
            net(picture)

    def learn():
        adam.zero_grad()
        nn.functional.huber_loss(net(pictures), targets).backward()
        adam.step()

    print("ready", flush=True)
    for _ in sys.stdin:
        onnx = each(predictions, lambda: runtime.run(None, {"input": numbers})) if runtime else float("nan")
        print(each(predictions, predict) * 1e3, onnx * 1e3, BATCH / each(batches, learn), flush=True)


main()
