"""Makes the golden .pth files with PyTorch, from the closed formula that tests/core/pth_test.cc repeats: element i of a
tensor is i - 2 (as unsigned: i; as boolean: whether i is a multiple of 3). Needs torch; output is files/*.pth."""

import collections
import pathlib

import torch

folder = pathlib.Path(__file__).parent / "files"


def values(shape, dtype):
    i = torch.arange(torch.Size(shape).numel()).reshape(shape)
    if dtype == torch.bool:
        return i % 3 == 0
    return (i if dtype == torch.uint8 else i - 2).to(dtype)


def save(name, what, **options):
    torch.save(what, folder / f"{name}.pth", **options)


torch.manual_seed(0)
dtypes = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16,
          "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8, "bool": torch.bool}
tensors = collections.OrderedDict((name, values((2, 3), dtype)) for name, dtype in dtypes.items())
tensors["scalar"] = torch.tensor(7)
tensors["empty"] = torch.zeros(0, 4)
save("dtypes", tensors)
save("dtypes_legacy", tensors, _use_new_zipfile_serialization=False)

base = values((3, 4, 5), torch.float32)
save("views", {
    "base": base,
    "tied": base,
    "permuted": base.permute(2, 0, 1),
    "column": base[:, 1, 2],
    "channels_last": values((2, 3, 2, 2), torch.float32).contiguous(memory_format=torch.channels_last),
    "parameter": torch.nn.Parameter(base[1:, ::2, 1:4]),
})

layer = torch.nn.BatchNorm1d(2)
save("nested", {"epoch": 3, "lr": 0.5, "seed": 1 << 70, "args": {"model": "x", "sizes": [1, 2]}, "best": None,
                "done": True, "state_dict": layer.state_dict(), "optimizer": {"state": {0: torch.ones(2)}}})
save("int8", {"fine": torch.ones(1), "w": torch.ones(2, dtype=torch.int8)})
save("uint16", {"w": torch.ones(2, dtype=torch.uint16)})
save("module", layer)
save("tensor", torch.ones(2))
save("protocol4", {"w": torch.ones(1)}, pickle_protocol=4)
torch.serialization.set_crc32_options(False)
save("no_crc", {"w": values((2, 2), torch.float32)})
torch.serialization.set_crc32_options(True)
# Softmax regression on 4 x 4 images, as nn.DataParallel names it.
save("softmax", {"state_dict": {"module.fc.weight": values((3, 16), torch.float32) / 32,
                                "module.fc.bias": torch.tensor([0.5, -0.5, 0.0])}})
