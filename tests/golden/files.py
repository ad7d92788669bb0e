"""Makes the golden files of the file formats with the formats' own libraries, from closed formulas that the tests
repeat: tests/golden/files/*. Needs numpy, safetensors and pillow from PyPI; run it anywhere, output is beside it."""

import pathlib

import numpy
import safetensors
from PIL import Image

folder = pathlib.Path(__file__).parent / "files"
folder.mkdir(exist_ok=True)

# Element i is i - 2 (as unsigned: i; as boolean: whether i is a multiple of 3).
def values(shape, dtype):
    i = numpy.arange(numpy.prod(shape, dtype=int)).reshape(shape)
    if dtype == numpy.bool_:
        return i % 3 == 0
    return (i if dtype == numpy.uint8 else i - 2).astype(dtype)


for name in ["f2", "f4", "f8", "i4", "i8", "u1", "b1"]:
    numpy.save(folder / f"{name}.npy", values((2, 3), numpy.dtype(name)))
numpy.save(folder / "fortran.npy", numpy.asfortranarray(values((2, 3, 4), numpy.float32)))
numpy.save(folder / "big_endian.npy", values((2, 3), numpy.dtype(">i4")))
numpy.save(folder / "scalar.npy", numpy.float64(7))
numpy.save(folder / "empty.npy", values((0, 3), numpy.float32))
numpy.save(folder / "vector.npy", values((5,), numpy.int64))
for version in [(2, 0), (3, 0)]:
    with open(folder / f"version{version[0]}.npy", "wb") as file:
        numpy.lib.format.write_array(file, values((2, 3), numpy.float32), version=version)


kept = []  # the library reads the arrays through their addresses


def entry(dtype, array):
    kept.append(array)
    return safetensors.TensorSpec(
        dtype=dtype, shape=list(array.shape), data_ptr=array.ctypes.data, data_len=array.nbytes
    )


# One tensor of each width, so that the library's order (by dtype) is ours (by width).
safetensors.serialize_file(
    {
        "conv.weight": entry("float32", values((2, 3, 1, 1), numpy.float32)),
        "steps": entry("int64", numpy.array(7, numpy.int64)),
        "half": entry("float16", values((3,), numpy.float16)),
        "mask": entry("bool", values((5,), numpy.bool_)),
    },
    folder / "widths.safetensors",
    {"weft": "golden"},
)
bfloat16 = (values((2, 2), numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)
safetensors.serialize_file(
    {
        "f64": entry("float64", values((2, 2), numpy.float64)),
        "f32": entry("float32", values((2, 2), numpy.float32)),
        "i32": entry("int32", values((2, 2), numpy.int32)),
        "f16": entry("float16", values((2, 2), numpy.float16)),
        "bf16": entry("bfloat16", bfloat16),
        "u8": entry("uint8", values((2, 2), numpy.uint8)),
        "empty": entry("float32", values((0, 4), numpy.float32)),
    },
    folder / "dtypes.safetensors",
)

# With a Pillow before 13, as newer ones may resize columns first.
# Pixel (row, column) of the resized image's source is (row * row * 7 + column * 31 + row * column) mod 256.
row, column = numpy.mgrid[0:28, 0:20]
image = Image.fromarray(((row * row * 7 + column * 31 + row * column) % 256).astype(numpy.uint8))
for height, width in [(64, 64), (28, 9), (11, 20), (33, 5)]:
    for prefix, filter in [("", Image.Resampling.BILINEAR), ("cubic_", Image.Resampling.BICUBIC)]:
        resized = image.resize((width, height), filter)
        numpy.save(folder / f"resized_{prefix}{height}x{width}.npy", numpy.asarray(resized))
