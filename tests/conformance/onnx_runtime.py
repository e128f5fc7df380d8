"""Runs ONNX files with ONNX Runtime and compares with stored outputs.

python onnx_runtime.py FOLDER: NAME.onnx with NAME.in.K.npy and NAME.out.K.npy. Prints what differs;
exit status 1 then, 77 when ONNX Runtime is not installed. Models that it has no kernels for, and
inputs that it refuses (indices outside a tensor), are counted only.
"""

import glob
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError:
    sys.exit(77)


def load_all(stem, kind):
    files = glob.glob(f"{stem}.{kind}.*.npy")
    files.sort(key=lambda name: int(name.split(".")[-2]))
    return [np.load(name) for name in files]


def difference(got, want):
    """Largest difference relative to 1 + |want|; infinities and NaN must agree."""
    if got.shape != want.shape:
        return float("inf")
    got, want = got.astype(np.float64), want.astype(np.float64)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0, np.abs(got - want) / (1 + np.abs(want)))
    return float(np.nan_to_num(off, nan=np.inf).max(initial=0))


def main():
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    ran, refused, wrong = 0, [], 0
    for path in sorted(glob.glob(sys.argv[1] + "/*.onnx")):
        stem = path[: -len(".onnx")]
        try:
            session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
            names = [each.name for each in session.get_inputs()]
            outputs = session.run(None, dict(zip(names, load_all(stem, "in"))))
        except Exception as error:  # its exceptions have no common base
            refused.append(f"{stem.split('/')[-1]}: {str(error)[:120]}")
            continue
        ran += 1
        for k, (got, want) in enumerate(zip(outputs, load_all(stem, "out"))):
            off = difference(np.asarray(got), want)
            if off > 1e-4:
                wrong += 1
                print(f"{stem.split('/')[-1]}: output {k} is off by {off:.3g}")
    for line in refused:
        print("refused", line)
    print(f"ONNX Runtime ran {ran} models, refused {len(refused)}, {wrong} outputs differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
