#!/usr/bin/env python3
"""Times the programs of a folder in PyTorch, eager and by torch.compile.

Shapes and types are read from FOLDER/*/program.cu. Inputs are flushed from the caches before every
run, as bench/gpu/main.cu does; times are medians, of CUDA events on a GPU.
"""
import argparse
import pathlib
import re
import statistics
import sys
import time

RUNS = 51
SECONDS = 5.0  # for one way of one program, at most


def functions(torch):
    def norm(x, axis=-1):
        return x * torch.rsqrt((x * x).mean(axis, keepdim=True) + 1e-6)

    def attention(q, k, v):
        return torch.softmax(q @ k * 0.125, -1) @ v

    return {
        "gated_mlp": lambda x, a, b: torch.nn.functional.silu(x @ a) * (x @ b),
        "gqa": attention, "mha": attention, "mqa": attention,
        "lora": lambda x, w, a, b: x @ w + x @ a @ b,
        "moe": lambda x, a, b: torch.exp(x @ a) @ b,
        "norm_transformer": lambda h, x, alpha: norm(x + alpha * (norm(h) + x)),
        "qk_norm_gqa": lambda q, k, v: attention(norm(q), norm(k, 1), v),
        "rms_norm_linear": lambda x, w: norm(x) @ w,
    }


def read_program(text):
    """Its name, and the shape and type of each input."""
    name = re.search(r'lamina_name\[\] = "(\w+)"', text).group(1)
    inputs = text[text.index("lamina_inputs[] ="):text.index("lamina_outputs[] =")]
    found = re.findall(r'\{"\w+", "(\w+)", \d+, \{([\d, ]+)\}\}', inputs)
    return name, [([int(n) for n in shape.split(",")], dtype) for dtype, shape in found]


def median_us(torch, call, device):
    flush = torch.empty(1 << 28 if device == "cuda" else 1 << 20, dtype=torch.int8, device=device)
    for _ in range(3):
        call()
    times, end = [], time.monotonic() + SECONDS
    while len(times) < RUNS and (not times or time.monotonic() < end):
        flush.zero_()
        if device == "cuda":
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            stop.record()
            torch.cuda.synchronize()
            times.append(1e3 * start.elapsed_time(stop))
        else:
            begin = time.perf_counter()
            call()
            times.append(1e6 * (time.perf_counter() - begin))
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    options = parser.parse_args()
    try:
        import torch
    except ImportError as error:
        print(f"PyTorch: not measured: {error}")
        return 0
    if options.device == "cuda" and not torch.cuda.is_available():
        print(f"PyTorch: not measured: torch {torch.__version__} sees no GPU")
        return 0
    known = functions(torch)
    types = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
    if not hasattr(torch, "compile"):
        print(f"torch.compile: not measured: torch {torch.__version__} has none")
    for path in sorted(options.folder.glob("*/program.cu")):
        name, inputs = read_program(path.read_text())
        tensors = [(torch.rand(shape, device=options.device) * 0.1).to(types[dtype])
                   for shape, dtype in inputs]
        with torch.no_grad():
            eager = median_us(torch, lambda: known[name](*tensors), options.device)
            line = f"{path.parent.name:24s} eager {eager:.2f} us"
            if hasattr(torch, "compile"):
                compiled = torch.compile(known[name])
                best = median_us(torch, lambda: compiled(*tensors), options.device)
                line += f", torch.compile {best:.2f} us"
        print(line, flush=True)
        del tensors
    return 0


if __name__ == "__main__":
    sys.exit(main())
