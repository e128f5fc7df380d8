"""The six example programs (examples/programs) as the peers express them.

Each is a function of a namespace `f` of operators, so that PyTorch and ONNX share one definition.
Shapes: name -> (inputs, weights), in the order of the .lam files.
"""

EPSILON = 1e-6
KEYS = 4096

SHAPES = {
    "rms_norm_linear": ({"x": (16, 4096)}, {"w": (4096, 6144)}),
    "gated_mlp": ({"x": (8, 4096)}, {"w1": (4096, 4096), "w2": (4096, 4096)}),
    "lora": ({"x": (16, 256)}, {"w": (256, 4096), "a": (256, 16), "b": (16, 4096)}),
    "gqa": ({"q": (16, 256, 64), "k": (16, 64, KEYS), "v": (16, KEYS, 64)}, {}),
    "qk_norm_gqa": ({"q": (16, 256, 64), "k": (16, 64, KEYS), "v": (16, KEYS, 64)}, {}),
    "norm_transformer": ({"h": (64, 4096), "x": (64, 4096), "alpha": (64, 4096)}, {}),
}


def rms_norm(f, x, axis):
    return f.mul(x, f.rsqrt(f.add(f.mean(f.mul(x, x), axis), EPSILON)))


def rms_norm_linear(f, x, w):
    return f.matmul(rms_norm(f, x, -1), w)


def gated_mlp(f, x, w1, w2):
    return f.mul(f.silu(f.matmul(x, w1)), f.matmul(x, w2))


def lora(f, x, w, a, b):
    return f.add(f.matmul(x, w), f.matmul(f.matmul(x, a), b))


def gqa(f, q, k, v):
    return f.matmul(f.softmax(f.mul(f.matmul(q, k), 0.125)), v)


def qk_norm_gqa(f, q, k, v):
    return gqa(f, rms_norm(f, q, -1), rms_norm(f, k, 1), v)


def norm_transformer(f, h, x, alpha):
    return rms_norm(f, f.add(x, f.mul(alpha, f.add(rms_norm(f, h, -1), x))), -1)


PROGRAMS = {name: globals()[name] for name in SHAPES}
