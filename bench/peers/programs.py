"""The example programs (examples/programs) as the peers express them.

Each is a function of a namespace `f` of operators, so that PyTorch and ONNX share one definition.
Shapes: name -> (inputs, weights), in the order of the .lam files; names are paths without .lam.
"""

EPSILON = 1e-6
KEYS = 4096


def attention_shapes(pairs, rows):
    return {"q": (pairs, rows, 64), "k": (pairs, 64, KEYS), "v": (pairs, KEYS, 64)}, {}


def norm_transformer_shapes(rows):
    return {name: (rows, 4096) for name in ("h", "x", "alpha")}, {}


def rms_norm_linear_shapes(rows):
    return {"x": (rows, 4096)}, {"w": (4096, 6144)}


SHAPES = {
    "rms_norm_linear": rms_norm_linear_shapes(16),
    "gated_mlp": ({"x": (8, 4096)}, {"w1": (4096, 4096), "w2": (4096, 4096)}),
    "lora": ({"x": (16, 256)}, {"w": (256, 4096), "a": (256, 16), "b": (16, 4096)}),
    "gqa": attention_shapes(16, 256),
    "qk_norm_gqa": attention_shapes(16, 256),
    "norm_transformer": norm_transformer_shapes(64),
    "mha": attention_shapes(256, 16),
    "mqa": attention_shapes(8, 1024),
    "moe": ({"x": (8, 8, 4096)}, {"a": (8, 4096, 4096), "b": (8, 4096, 4096)}),
    "batch_1/rms_norm_linear": rms_norm_linear_shapes(2),
    "batch_1/gqa": attention_shapes(2, 256),
    "batch_1/qk_norm_gqa": attention_shapes(2, 256),
    "batch_1/norm_transformer": norm_transformer_shapes(8),
    "batch_1/mha": attention_shapes(32, 16),
    "batch_1/mqa": attention_shapes(1, 1024),
}

# Programs that are mostly products with weights: their rows, inner and outer sizes, and how many.
PRODUCT_SHAPES = {
    "rms_norm_linear": (16, 4096, 6144, 1),
    "gated_mlp": (8, 4096, 4096, 2),
    "moe": (8, 4096, 4096, 16),
    "batch_1/rms_norm_linear": (2, 4096, 6144, 1),
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


mha = mqa = gqa


def moe(f, x, a, b):
    return f.matmul(f.exp(f.matmul(x, a)), b)


def norm_transformer(f, h, x, alpha):
    return rms_norm(f, f.add(x, f.mul(alpha, f.add(rms_norm(f, h, -1), x))), -1)


PROGRAMS = {name: globals()[name.split("/")[-1]] for name in SHAPES}
