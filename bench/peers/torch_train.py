#!/usr/bin/env python3
"""PyTorch's side of bench/train_step.py: the same networks on saved parameters and a saved batch.

  torch_train.py NETWORK OPTIMIZER THREADS FILE.safetensors [NAME=VALUE ...]

Lines on standard input: "compare" prints the largest difference of a gradient from the saved one,
relative to the norm of that gradient, and its name; a number runs so many steps and prints the
milliseconds of each; "version" prints PyTorch's.
"""
import json
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F

DTYPES = {"F32": numpy.float32, "I64": numpy.int64}


def load(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            array = numpy.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
            tensors[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    return tensors


def part(tensors, prefix):
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


class ResNet:
    def __init__(self, settings):
        self.group = 8

    def convolution(self, p, x, name, stride):
        w = p[name + ".weight"]
        y = F.conv2d(x, w, stride=stride, padding=w.shape[2] // 2)
        return F.group_norm(y, w.shape[0] // self.group, p[name + ".norm.weight"],
                            p[name + ".norm.bias"])

    def loss(self, p, batch):
        x = F.relu(self.convolution(p, batch["images"], "stem", 1))
        stage, block = 0, 0
        while f"stage_{stage}.block_0.first.weight" in p:
            name = f"stage_{stage}.block_{block}"
            if name + ".first.weight" not in p:
                stage, block = stage + 1, 0
                continue
            shortcut = name + ".shortcut"
            stride = 2 if shortcut + ".weight" in p else 1
            y = F.relu(self.convolution(p, x, name + ".first", stride))
            y = self.convolution(p, y, name + ".second", 1)
            x = F.relu(y + (self.convolution(p, x, shortcut, stride) if stride == 2 else x))
            block += 1
        return F.cross_entropy(F.linear(x.mean((2, 3)), p["head.weight"], p["head.bias"]),
                               batch["labels"])


class Decoder:
    def __init__(self, settings):
        self.heads = int(settings["heads"])

    def norm(self, p, x, name):
        return F.layer_norm(x, x.shape[-1:], p[name + ".weight"], p[name + ".bias"])

    def linear(self, p, x, name):
        return F.linear(x, p[name + ".weight"], p[name + ".bias"])

    def attention(self, p, x, name):
        n, t, width = x.shape
        qkv = self.linear(p, x, name + ".qkv").view(n, t, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mask = torch.ones(t, t, dtype=torch.bool).tril().logical_not()
            scores = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)
            y = scores.masked_fill(mask, float("-inf")).softmax(-1) @ v
        return self.linear(p, y.transpose(1, 2).reshape(n, t, width), name + ".out")

    def loss(self, p, batch):
        x = p["tokens.weight"][batch["tokens"]] + p["positions.weight"]
        layer = 0
        while f"layer_{layer}.up.weight" in p:
            name = f"layer_{layer}"
            x = x + self.attention(p, self.norm(p, x, name + ".attention_norm"),
                                   name + ".attention")
            y = F.gelu(self.linear(p, self.norm(p, x, name + ".feed_forward_norm"), name + ".up"))
            x = x + self.linear(p, y, name + ".down")
            layer += 1
        logits = self.linear(p, self.norm(p, x, "norm"), "head")
        return F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())


def is_product(name, tensor, table):
    """Factors of products, which PyTorch holds transposed."""
    return tensor.dim() == 2 and name not in table


def main():
    network, optimizer, threads, path = sys.argv[1:5]
    settings = dict(s.split("=") for s in sys.argv[5:])
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    saved = load(path)
    batch, wanted = part(saved, "batch/"), part(saved, "gradient/")
    tables = ("tokens.weight", "positions.weight")
    parameters = {}
    for name, tensor in part(saved, "parameter/").items():
        tensor = tensor.t().contiguous() if is_product(name, tensor, tables) else tensor
        parameters[name] = tensor.requires_grad_()
    model = {"resnet": ResNet, "decoder": Decoder}[network](settings)
    rule = {"momentum": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
            "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.0)}[optimizer]
    update = rule(list(parameters.values()))

    def step():
        start = time.perf_counter()
        update.zero_grad()
        loss = model.loss(parameters, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1e9)
        update.step()
        return 1e3 * (time.perf_counter() - start)

    for line in sys.stdin:
        if line.strip() == "version":
            print(torch.__version__, flush=True)
        elif line.strip() == "compare":
            loss = model.loss(parameters, batch)
            loss.backward()
            errors = [(abs(loss.item() - saved["loss"].item()), "loss")]
            for name, tensor in parameters.items():
                grad = tensor.grad.t() if is_product(name, tensor, tables) else tensor.grad
                error = (grad - wanted[name]).abs().max() / (wanted[name].norm() + 1e-12)
                errors.append((error.item(), name))
            worst, where = max(errors)
            print(f"{worst:.3e} {where}", flush=True)
        else:
            print(*(f"{step():.3f}" for _ in range(int(line))), flush=True)


if __name__ == "__main__":
    main()
