"""The protocol between a race and its contenders: one process each, one run per line.

A contender prints "ready" once it has loaded its model and run it once. Then, for every line "run"
on standard input, it runs the next copy of its weights and prints the milliseconds that took; for
"save DIR" it writes its outputs as DIR/<n>.npy and prints "saved"; "quit" ends it.
"""
import pathlib
import sys
import time


def serve(run, outputs, save):
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["run"]:
            start = time.perf_counter()
            run()
            print(f"{(time.perf_counter() - start) * 1e3:.6f}", flush=True)
        elif words[:1] == ["save"]:
            for i, value in enumerate(outputs()):
                save(pathlib.Path(words[1]) / f"{i}.npy", value)
            print("saved", flush=True)
        else:
            return


def load_folder(path):
    """The arrays NAME.npy of a folder, by name."""
    import numpy
    return {file.stem: numpy.load(file) for file in pathlib.Path(path).glob("*.npy")}


def copies_for(weight_bytes, rotate_bytes):
    """How many copies of the weights fill `rotate_bytes`: the same rule as lamina bench."""
    if weight_bytes == 0:
        return 1
    return max(1, min(64, -(-rotate_bytes // weight_bytes)))
