"""PyTorch as a contender: torch_peer.py eager|compiled PROGRAM DTYPE DATA THREADS ROTATE_BYTES.

compiled is torch.compile, the weights being constants that it may lay out as it likes where there
are few copies of them (each is compiled), else arguments.
"""
import sys

import numpy
import torch
from programs import PROGRAMS, SHAPES
from protocol import copies_for, load_folder, serve

MOST_COMPILED = 4


class Operators:
    """PyTorch's own operators, the fused one where it has it."""
    add = staticmethod(lambda x, y: x + y)
    mul = staticmethod(lambda x, y: x * y)
    matmul = staticmethod(torch.matmul)
    exp = staticmethod(torch.exp)
    rsqrt = staticmethod(torch.rsqrt)
    silu = staticmethod(torch.nn.functional.silu)
    mean = staticmethod(lambda x, axis: x.mean(axis, keepdim=True))
    softmax = staticmethod(lambda x: torch.softmax(x, -1))


class Constant(torch.nn.Module):
    """A program whose weights belong to it."""

    def __init__(self, program, weights):
        super().__init__()
        self.program = program
        self.weights = torch.nn.ParameterList([torch.nn.Parameter(w, False) for w in weights])

    def forward(self, *given):
        return self.program(Operators, *given, *self.weights)


def runners(how, program, copies):
    """One function of the inputs per copy of the weights."""
    if how == "eager":
        return [lambda *x, w=w: program(Operators, *x, *w) for w in copies]
    if len(copies) <= MOST_COMPILED:
        from torch._inductor import config
        config.freezing = True
        return [torch.compile(Constant(program, w).eval(), dynamic=False) for w in copies]
    compiled = torch.compile(lambda *x: program(Operators, *x), dynamic=False)
    return [lambda *x, w=w: compiled(*x, *w) for w in copies]


def main():
    how, name, dtype, data, threads, rotate = sys.argv[1:]
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
    programs = runners(how, PROGRAMS[name], copies)
    turn = [0]

    def run():
        turn[0] = (turn[0] + 1) % len(copies)
        with torch.inference_mode():
            return programs[turn[0]](*given)

    def outputs():
        if how == "compiled":
            return [run().float().numpy()]
        # In f32 from the same elements: on processors without bf16 instructions PyTorch 1.13 sums
        # bf16 products in bf16, which is too far off to compare with.
        exact = [tensor.float() for tensor in given + first]
        return [PROGRAMS[name](Operators, *exact).numpy()]

    for _ in copies[1:]:
        run()
    serve(run, outputs, numpy.save)


main()
