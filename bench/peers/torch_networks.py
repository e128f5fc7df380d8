"""Loss and gradients of networks by PyTorch, compared with stored ones.

python torch_networks.py FOLDER: a folder for each network, named resnet or decoder, with arrays
shape.npy (the numbers that the weights do not tell), input.NAME.npy, weight.NAME.npy,
gradient.NAME.npy and loss.npy. Prints what differs; exit status 1 then, 77 without PyTorch.
"""

import glob
import os
import sys

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit(77)


def load(folder, kind):
    """The arrays kind.NAME.npy by NAME."""
    files = glob.glob(os.path.join(folder, f"{kind}.*.npy"))
    return {os.path.basename(f)[len(kind) + 1:-4]: torch.from_numpy(np.load(f)) for f in files}


def resnet(shape, inputs, w):
    group_width = int(shape[0])

    def convolution(x, name, stride):
        filters = w[name + ".weight"]
        y = F.conv2d(x, filters, stride=stride, padding=filters.shape[-1] // 2)
        return F.group_norm(y, filters.shape[0] // group_width, w[name + ".norm.weight"],
                            w[name + ".norm.bias"])

    x = F.relu(convolution(inputs["images"], "stem", 1))
    blocks = sorted({name.rsplit(".first", 1)[0] for name in w if ".first." in name})
    for block in blocks:
        has_shortcut = block + ".shortcut.weight" in w
        inner = F.relu(convolution(x, block + ".first", 2 if has_shortcut else 1))
        outer = convolution(inner, block + ".second", 1)
        x = F.relu(outer + (convolution(x, block + ".shortcut", 2) if has_shortcut else x))
    logits = x.mean(dim=(2, 3)) @ w["head.weight"] + w["head.bias"]
    return F.cross_entropy(logits, inputs["labels"])


def decoder(shape, inputs, w):
    heads = int(shape[0])
    samples, tokens = inputs["tokens"].shape
    width = w["tokens.weight"].shape[1]

    def norm(x, name):
        return F.layer_norm(x, (width,), w[name + ".weight"], w[name + ".bias"])

    def linear(x, name):
        return F.linear(x, w[name + ".weight"].T, w[name + ".bias"])

    hidden = torch.triu(torch.full((tokens, tokens), float("-inf")), diagonal=1)
    x = F.embedding(inputs["tokens"], w["tokens.weight"]) + w["positions.weight"]
    for layer in sorted({name.split(".")[0] for name in w if name.startswith("layer_")}):
        qkv = linear(norm(x, layer + ".attention_norm"), layer + ".attention.qkv")
        q, k, v = (part.view(samples, tokens, heads, -1).transpose(1, 2)
                   for part in qkv.chunk(3, dim=-1))
        odds = F.softmax(q @ k.transpose(2, 3) / (width / heads) ** 0.5 + hidden, dim=-1)
        mixed = (odds @ v).transpose(1, 2).reshape(samples, tokens, width)
        x = x + linear(mixed, layer + ".attention.out")
        inner = F.gelu(linear(norm(x, layer + ".feed_forward_norm"), layer + ".up"))
        x = x + linear(inner, layer + ".down")
    logits = linear(norm(x, "norm"), "head")
    return F.cross_entropy(logits.view(-1, logits.shape[-1]), inputs["targets"].view(-1))


def difference(got, want):
    """The largest difference, relative to the largest element."""
    return float((got - want).abs().max() / (want.abs().max() + 1e-12))


def check(folder, network):
    weights = load(folder, "weight")
    for weight in weights.values():
        weight.requires_grad_()
    loss = network(np.load(os.path.join(folder, "shape.npy")), load(folder, "input"), weights)
    loss.backward()
    want_loss = torch.from_numpy(np.load(os.path.join(folder, "loss.npy")))
    worst = {"loss": difference(loss.detach(), want_loss)}
    gradients = load(folder, "gradient")
    assert sorted(gradients) == sorted(weights), "gradients and weights have different names"
    for name, gradient in gradients.items():
        worst[name] = difference(weights[name].grad, gradient)
    bad = {name: value for name, value in worst.items() if not value < 1e-4}
    print(f"{os.path.basename(folder)}: {len(weights)} gradients, worst {max(worst.values()):.2g}")
    for name, value in bad.items():
        print(f"  {name} differs by {value:.3g}")
    return not bad


def main():
    results = [check(os.path.join(sys.argv[1], name), network)
               for name, network in (("resnet", resnet), ("decoder", decoder))]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
