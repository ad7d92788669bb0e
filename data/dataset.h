// Data sets: samples by index. A data set is read-only and may be asked from several threads at once. To bring your
// own, override size() and sample(); override batch() as well where a whole batch can be assembled faster.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace weft::data {

struct Sample {
  Tensor input;   // (…): images are f32 (C, H, W) in [0, 1]
  Tensor target;  // i64 () for a class, f32 (outputs,) for a regression
};

struct Batch {
  Tensor input;   // (N, …)
  Tensor target;  // (N) i64 or (N, outputs) f32
  std::int64_t size() const { return input.size(0); }
};

class WEFT_API Dataset {
 public:
  virtual ~Dataset();
  virtual std::int64_t size() const = 0;
  virtual Sample sample(std::int64_t index) const = 0;
  // The samples stacked, in the given order. The default calls sample() for each; all must agree in shape and dtype.
  virtual Batch batch(std::span<const std::int64_t> indices) const;
};

using DatasetPtr = std::shared_ptr<const Dataset>;

// Images and class labels held in memory as bytes; a batch is f32 = byte / 255 in NCHW, labels i64.
class WEFT_API ImageSet final : public Dataset {
 public:
  // images u8 (N, C, H, W), labels i64 (N), both contiguous on the CPU. image_size > 0 resizes each image to a
  // square of that size when a batch is made (data/resize.h).
  ImageSet(Tensor images, Tensor labels, int image_size = 0);

  std::int64_t size() const override { return images_.size(0); }
  Sample sample(std::int64_t index) const override;
  Batch batch(std::span<const std::int64_t> indices) const override;

  const Tensor& images() const { return images_; }
  const Tensor& labels() const { return labels_; }
  Tensor resized() const;  // all images as batch() gives them, but as bytes: u8 (N, C, H, W)

 private:
  Tensor images_, labels_;
  int height_, width_;  // of what batch() gives
};

// The same batches, bit for bit, from images that lie on a device, resized once: a step then waits for no loader and
// for no copy. For one thread, whose current stream makes the batches.
class WEFT_API DeviceImageSet final : public Dataset {
 public:
  DeviceImageSet(const ImageSet& images, Device device);

  std::int64_t size() const override { return images_.size(0); }
  Sample sample(std::int64_t index) const override;
  Batch batch(std::span<const std::int64_t> indices) const override;

 private:
  Tensor images_, labels_;  // u8 (N, C, H, W) and i64 (N), on the device
};

// Rows of numbers held in memory: input (N, features) and target (N, outputs), both f32, contiguous on the CPU.
class WEFT_API TableSet final : public Dataset {
 public:
  TableSet(Tensor inputs, Tensor targets);

  std::int64_t size() const override { return inputs_.size(0); }
  Sample sample(std::int64_t index) const override;
  Batch batch(std::span<const std::int64_t> indices) const override;

  const Tensor& inputs() const { return inputs_; }
  const Tensor& targets() const { return targets_; }

 private:
  Tensor inputs_, targets_;
};

}  // namespace weft::data
