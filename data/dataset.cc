#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "core/ops/index.h"
#include "core/parallel.h"
#include "data/resize.h"

namespace weft::data {
namespace {

void check_index(std::int64_t index, std::int64_t size) {
  require(index >= 0 && index < size, "dataset", "index must be in [0, ", size, "), got ", index);
}

Shape with_rows(std::int64_t rows, const Shape& row) {
  Shape shape{rows};
  for (const std::int64_t size : row) shape.push_back(size);
  return shape;
}

// Copies row `index` of x to row `to` of y; both contiguous, rows of equal bytes.
void copy_row(const Tensor& x, std::int64_t index, const Tensor& y, std::int64_t to, std::size_t row_bytes) {
  if (row_bytes == 0) return;
  std::memcpy(static_cast<std::byte*>(y.raw()) + static_cast<std::size_t>(to) * row_bytes,
              static_cast<const std::byte*>(x.raw()) + static_cast<std::size_t>(index) * row_bytes, row_bytes);
}

void stack_into(const Tensor& part, const Tensor& all, std::int64_t row) {
  const Tensor dense = part.contiguous();
  const Shape expected(std::span(all.shape().begin() + 1, all.shape().end()));
  require(dense.dtype() == all.dtype() && dense.shape() == expected, "dataset",
          "all samples of a batch need the same shape and dtype: ", expected, " ", all.dtype(), " first, then ",
          dense.shape(), " ", dense.dtype());
  copy_row(dense, 0, all, row, dense.bytes());
}

// y = x / 255, exactly rounded: all quotients are looked up, which is faster than dividing four at a time.
void bytes_to_floats(const std::uint8_t* x, float* y, std::int64_t n) {
  static constexpr auto kQuotients = [] {
    std::array<float, 256> table = {};
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0f;
    return table;
  }();
  for (std::int64_t i = 0; i < n; ++i) y[i] = kQuotients[x[i]];
}

}  // namespace

Dataset::~Dataset() = default;

Batch Dataset::batch(std::span<const std::int64_t> indices) const {
  require(!indices.empty(), "dataset", "a batch needs at least one sample");
  Batch all;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    check_index(indices[i], size());
    const Sample one = sample(indices[i]);
    require(one.input.defined() && one.target.defined(), "dataset", "sample ", indices[i],
            " needs both an input and a target");
    if (i == 0) {
      const auto rows = static_cast<std::int64_t>(indices.size());
      all.input = empty(with_rows(rows, one.input.shape()), {.dtype = one.input.dtype()});
      all.target = empty(with_rows(rows, one.target.shape()), {.dtype = one.target.dtype()});
    }
    stack_into(one.input, all.input, static_cast<std::int64_t>(i));
    stack_into(one.target, all.target, static_cast<std::int64_t>(i));
  }
  return all;
}

ImageSet::ImageSet(Tensor images, Tensor labels, int image_size)
    : images_(std::move(images)), labels_(std::move(labels)) {
  require(images_.rank() == 4 && images_.dtype() == DType::u8, "image set", "images must be u8 (N, C, H, W), not ",
          images_.dtype(), " ", images_.shape());
  require(labels_.shape() == Shape{images_.size(0)} && labels_.dtype() == DType::i64, "image set",
          "labels must be i64 (", images_.size(0), ",), not ", labels_.dtype(), " ", labels_.shape());
  require(image_size >= 0 && image_size <= kLargestImage, "image set", "image size must be 1 to ", kLargestImage,
          " (0 keeps it), got ", image_size);
  height_ = image_size > 0 ? image_size : static_cast<int>(images_.size(2));
  width_ = image_size > 0 ? image_size : static_cast<int>(images_.size(3));
}

Sample ImageSet::sample(std::int64_t index) const {
  const Batch one = batch(std::span(&index, 1));
  return {one.input.select(0, 0), one.target.select(0, 0)};
}

Batch ImageSet::batch(std::span<const std::int64_t> indices) const {
  const std::int64_t channels = images_.size(1), height = images_.size(2), width = images_.size(3);
  const std::int64_t image = channels * height * width;     // bytes of an image held
  const std::int64_t pixels = channels * height_ * width_;  // floats of an image given
  const auto n = static_cast<std::int64_t>(indices.size());
  Batch out{empty({n, channels, height_, width_}), empty({n}, {.dtype = DType::i64})};
  const std::span<const std::uint8_t> bytes = images_.values<std::uint8_t>();
  const std::span<const std::int64_t> labels = labels_.values<std::int64_t>();
  const std::span<float> floats = out.input.values<float>();
  const std::span<std::int64_t> targets = out.target.values<std::int64_t>();
  const bool resizes = height_ != height || width_ != width;
  const Resize resize(static_cast<int>(height), static_cast<int>(width), height_, width_);
  std::vector<std::uint8_t> resized(resizes ? static_cast<std::size_t>(pixels) : 0);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t index = indices[static_cast<std::size_t>(i)];
    check_index(index, size());
    const std::uint8_t* from = bytes.data() + index * image;
    if (resizes) {
      for (std::int64_t c = 0; c < channels; ++c) {
        resize.plane(from + c * height * width, resized.data() + c * height_ * width_);
      }
      from = resized.data();
    }
    bytes_to_floats(from, floats.data() + i * pixels, pixels);
    targets[static_cast<std::size_t>(i)] = labels[static_cast<std::size_t>(index)];
  }
  return out;
}

Tensor ImageSet::resized() const {
  if (height_ == images_.size(2) && width_ == images_.size(3)) return images_;
  const std::int64_t height = images_.size(2), width = images_.size(3), planes = images_.size(0) * images_.size(1);
  const Tensor out = empty({images_.size(0), images_.size(1), height_, width_}, {.dtype = DType::u8});
  const Resize resize(static_cast<int>(height), static_cast<int>(width), height_, width_);
  const std::uint8_t* const from = images_.data<std::uint8_t>();
  std::uint8_t* const to = out.data<std::uint8_t>();
  parallel_for(planes, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) resize.plane(from + i * height * width, to + i * height_ * width_);
  });
  return out;
}

DeviceImageSet::DeviceImageSet(const ImageSet& images, Device device)
    : images_(images.resized().to(device)), labels_(images.labels().to(device)) {}

Sample DeviceImageSet::sample(std::int64_t index) const {
  const Batch one = batch(std::span(&index, 1));
  return {one.input.select(0, 0), one.target.select(0, 0)};
}

Batch DeviceImageSet::batch(std::span<const std::int64_t> indices) const {
  for (const std::int64_t index : indices) check_index(index, size());
  const NoGrad no_grad;
  const Tensor picks = empty({static_cast<std::int64_t>(indices.size())}, {.dtype = DType::i64});
  std::ranges::copy(indices, picks.data<std::int64_t>());
  const Tensor index = picks.to(images_.device());
  return {index_select(images_, 0, index).to(DType::f32) / 255.0, index_select(labels_, 0, index)};
}

TableSet::TableSet(Tensor inputs, Tensor targets) : inputs_(std::move(inputs)), targets_(std::move(targets)) {
  require(inputs_.rank() == 2 && targets_.rank() == 2 && inputs_.size(0) == targets_.size(0), "table set",
          "needs inputs (N, features) and targets (N, outputs), got ", inputs_.shape(), " and ", targets_.shape());
  require(inputs_.dtype() == DType::f32 && targets_.dtype() == DType::f32, "table set",
          "inputs and targets must be f32, not ", inputs_.dtype(), " and ", targets_.dtype());
}

Sample TableSet::sample(std::int64_t index) const {
  const Batch one = batch(std::span(&index, 1));
  return {one.input.select(0, 0), one.target.select(0, 0)};
}

Batch TableSet::batch(std::span<const std::int64_t> indices) const {
  const auto n = static_cast<std::int64_t>(indices.size());
  Batch out{empty({n, inputs_.size(1)}), empty({n, targets_.size(1)})};
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t index = indices[static_cast<std::size_t>(i)];
    check_index(index, size());
    copy_row(inputs_, index, out.input, i, sizeof(float) * static_cast<std::size_t>(inputs_.size(1)));
    copy_row(targets_, index, out.target, i, sizeof(float) * static_cast<std::size_t>(targets_.size(1)));
  }
  return out;
}

}  // namespace weft::data
