"""ONNX Runtime as a contender.

ort_peer.py program NAME DATA THREADS ROTATE_BYTES   an example program (f32)
ort_peer.py model FILE.onnx DATA THREADS             a model file, inputs by name
"""
import sys

import numpy
import onnxruntime
from onnx_programs import build_model
from programs import SHAPES
from protocol import copies_for, load_folder, serve


def open_session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    # Idle workers must not take the processor from the other contender.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def program_sessions(name, data, threads, rotate):
    """The inputs, and a session per copy of the weights; nothing else keeps the weights."""
    arrays = load_folder(data)
    inputs, weights = SHAPES[name]
    values = {n: arrays[n] for n in weights}
    size = sum(w.nbytes for w in values.values())
    model = build_model(name, "f32", values)
    sessions = [open_session(model, threads) for _ in range(copies_for(size, int(rotate)))]
    return {n: arrays[n] for n in inputs}, sessions


def main():
    mode, name, data, threads = sys.argv[1:5]
    if mode == "program":
        feed, sessions = program_sessions(name, data, threads, sys.argv[5])
    else:
        feed, sessions = load_folder(data), [open_session(name, threads)]
    turn = [0]

    def run():
        turn[0] = (turn[0] + 1) % len(sessions)
        return sessions[turn[0]].run(None, feed)

    serve(run, run, numpy.save)


main()
