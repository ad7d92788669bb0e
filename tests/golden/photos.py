"""Makes the golden photos with Pillow and what torchvision's transforms make of them: files/photo_*. The pictures are
small drawings; what decides is that Pillow's and weft's decoders see the same bytes. Needs pillow, torch and
torchvision."""

import pathlib
import struct
import zlib

import numpy
import torchvision.transforms as transforms
from PIL import Image

folder = pathlib.Path(__file__).parent / "files"


def drawing(height, width):
    row, column = numpy.mgrid[0:height, 0:width]
    red = 128 + 100 * numpy.sin(row / 5) * numpy.cos(column / 7)
    green = (row * 3 + column * 2) % 256
    blue = 255 * ((row // 8 + column // 8) % 2)
    return numpy.stack([red, green, blue], 2).astype(numpy.uint8)


rgb = Image.fromarray(drawing(37, 53))
alpha = Image.fromarray(numpy.dstack([drawing(9, 7), numpy.arange(63, dtype=numpy.uint8).reshape(9, 7) * 4]))
orientation = Image.Exif()
orientation[0x0112] = 6

rgb.save(folder / "photo_rgb.jpg", quality=85)
rgb.save(folder / "photo_progressive.jpg", quality=60, progressive=True, subsampling=1)
rgb.save(folder / "photo_exif.jpg", quality=85, exif=orientation)
rgb.convert("L").save(folder / "photo_grey.jpg", quality=85)
rgb.convert("CMYK").save(folder / "photo_cmyk.jpg", quality=85)
rgb.save(folder / "photo_rgb.png")
rgb.convert("L").save(folder / "photo_grey.png")
rgb.convert("1").save(folder / "photo_1bit.png")
rgb.quantize(11).save(folder / "photo_palette.png", transparency=3)
alpha.save(folder / "photo_alpha.png")
alpha.convert("LA").save(folder / "photo_grey_alpha.png")



def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


# 16-bit colour, which Pillow reads and does not write.
deep = (numpy.arange(9 * 7 * 3) * 347).astype(">u2").reshape(9, 7 * 3)
rows = b"".join(b"\0" + row.tobytes() for row in deep)
(folder / "photo_16bit.png").write_bytes(
    b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 9, 16, 2, 0, 0, 0)) +
    chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

for path in sorted(folder.glob("photo_*.*g")):
    pixels = numpy.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
    numpy.save(folder / f"{path.name}.npy", numpy.ascontiguousarray(pixels))

# Preprocessed: a wide one, a tall one and grey, with odd and even margins, and one by cubic interpolation; slices of
# what torchvision gives.
for name, size, resize, crop in [("wide", (53, 37), 40, 32), ("tall", (31, 67), 23, 20), ("odd", (40, 36), 25, 22),
                                 ("cubic", (47, 61), 33, 29)]:
    image = Image.open(folder / "photo_rgb.png").resize(size, Image.Resampling.NEAREST)
    image.save(folder / f"shaped_{name}.png")
    filter = transforms.InterpolationMode.BICUBIC if name == "cubic" else transforms.InterpolationMode.BILINEAR
    whole = transforms.Compose([
        transforms.Resize(resize, filter), transforms.CenterCrop(crop), transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    numpy.save(folder / f"shaped_{name}.png.npy", whole(image).numpy())
