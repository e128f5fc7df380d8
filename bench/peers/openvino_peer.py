"""OpenVINO as a contender, with constant weights and fixed shapes.

openvino_peer.py program NAME DTYPE DATA THREADS ROTATE_BYTES   an example program
openvino_peer.py model FILE.onnx DATA THREADS                   a model file, inputs by name
"""
import io
import pathlib
import sys

import ml_dtypes
import numpy
import openvino
from onnx_programs import build_model, convert
from programs import SHAPES
from protocol import copies_for, load_folder, serve


def elements(tensor):
    """A copy of the elements of a tensor; floats in f32."""
    array = numpy.array(tensor.data)
    if tensor.element_type == openvino.Type.bf16:
        array = array.view(ml_dtypes.bfloat16)
    return array.astype(numpy.float32) if array.dtype.kind not in "biu" else array


def open_request(source, arrays, threads, precision):
    core = openvino.Core()
    model = core.read_model(source)
    model.reshape({name: list(array.shape) for name, array in arrays.items()})
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": int(threads), "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_HYPER_THREADING": True, "INFERENCE_PRECISION_HINT": precision})
    got = compiled.get_property("INFERENCE_NUM_THREADS")
    if got != int(threads):
        raise SystemExit(f"OpenVINO would use {got} threads instead of {threads}")
    request = compiled.create_infer_request()
    for name, array in arrays.items():
        kind = next(port for port in model.inputs if name in port.names).element_type
        tensor = openvino.Tensor(kind, openvino.Shape(list(array.shape)))
        # OpenVINO shows bf16 elements as another type: bytes are what both sides agree on.
        tensor.data.reshape(-1).view(numpy.uint8)[:] = array.reshape(-1).view(numpy.uint8)
        request.set_tensor(name, tensor)
    return request


def program_requests(name, dtype, data, threads, rotate):
    """A request per copy of the weights; nothing else keeps them."""
    arrays = {n: convert(a, dtype) for n, a in load_folder(data).items()}
    inputs, weights = SHAPES[name]
    values = {n: arrays[n] for n in weights}
    size = sum(w.nbytes for w in values.values())
    model = build_model(name, dtype, values)
    feed = {n: arrays[n] for n in inputs}
    return [open_request(io.BytesIO(model), feed, threads, dtype)
            for _ in range(copies_for(size, int(rotate)))]


def main():
    mode, name = sys.argv[1:3]
    if mode == "program":
        requests = program_requests(name, *sys.argv[3:])
    else:
        data, threads = sys.argv[3:]
        requests = [open_request(pathlib.Path(name), load_folder(data), threads, "f32")]
    turn = [0]

    def run():
        turn[0] = (turn[0] + 1) % len(requests)
        requests[turn[0]].infer()
        return requests[turn[0]]

    def outputs():
        done = run()
        return [elements(tensor) for tensor in done.output_tensors]

    serve(run, outputs, numpy.save)


main()
