"""PyTorch eager as a contender: torch_peer.py PROGRAM DTYPE DATA THREADS ROTATE_BYTES."""
import sys

import numpy
import torch
from programs import PROGRAMS, SHAPES
from protocol import copies_for, load_folder, serve


class Eager:
    """PyTorch's own operators, the fused one where it has it."""
    add = staticmethod(lambda x, y: x + y)
    mul = staticmethod(lambda x, y: x * y)
    matmul = staticmethod(torch.matmul)
    exp = staticmethod(torch.exp)
    rsqrt = staticmethod(torch.rsqrt)
    silu = staticmethod(torch.nn.functional.silu)
    mean = staticmethod(lambda x, axis: x.mean(axis, keepdim=True))
    softmax = staticmethod(lambda x: torch.softmax(x, -1))


def main():
    name, dtype, data, threads, rotate = sys.argv[1:]
    torch.set_num_threads(int(threads))
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    arrays = load_folder(data)
    inputs, weights = SHAPES[name]
    given = [torch.from_numpy(arrays[n]).to(kind) for n in inputs]
    first = [torch.from_numpy(arrays[n]).to(kind) for n in weights]
    copies = [first]
    size = sum(w.numel() * w.element_size() for w in first)
    for _ in range(1, copies_for(size, int(rotate))):
        copies.append([w.clone() for w in first])
    turn = [0]

    def run():
        turn[0] = (turn[0] + 1) % len(copies)
        with torch.inference_mode():
            return PROGRAMS[name](Eager, *given, *copies[turn[0]])

    def outputs():
        # In f32 from the same elements: on processors without bf16 instructions PyTorch 1.13 sums
        # bf16 products in bf16, which is too far off to compare with.
        exact = [tensor.float() for tensor in given + first]
        return [PROGRAMS[name](Eager, *exact).numpy()]

    serve(run, outputs, numpy.save)


main()
