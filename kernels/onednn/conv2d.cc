// Convolution by oneDNN: f32, channels-last images, weights in the layout that the library likes best (packed anew in
// each call: 0.003 to 0.8 ms, and no write to a parameter can go unnoticed). The batch is cut into parts of images.
#include "core/ops/conv2d.h"

#include <cstring>

#include "core/parallel.h"
#include "kernels/onednn/onednn.h"

namespace weft::onednn {
namespace {

using dnnl::memory;

constexpr std::int64_t kImageParts = 8;  // of the batch, for images; for weights kWeightParts sums are added in order
constexpr std::int64_t kWeightParts = 4;
constexpr std::int64_t kLargeWeight = 1 << 20;  // elements: from here on 2 sums, as adding them costs too much

enum class Kind : std::int32_t { forward, backward_data, backward_weight };

// One convolution of n images; equal keys share a primitive.
struct Key {
  std::int64_t n, c, h, w, k, r, s, p, q;
  std::int32_t stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups;
  Kind kind;
  friend bool operator==(const Key&, const Key&) = default;
};
static_assert(std::has_unique_object_representations_v<Key>);

Key key_of(Kind kind, const Tensor& image, const Tensor& weight, const Tensor& out, const Conv2dOptions& o) {
  return {image.size(0), image.size(1), image.size(2), image.size(3), weight.size(0), weight.size(2), weight.size(3),
          out.size(2),   out.size(3),   o.stride.h,    o.stride.w,    o.padding.h,    o.padding.w,    o.dilation.h,
          o.dilation.w,  o.groups,      kind};
}

struct Convolution {
  dnnl::primitive primitive;
  memory::desc image, weight, bias, out;  // as the primitive wants them
  memory::desc scratchpad;
};

memory::dims weight_dims(const Key& k) {
  if (k.groups == 1) return {k.k, k.c, k.r, k.s};
  return {k.groups, k.k / k.groups, k.c / k.groups, k.r, k.s};
}
memory::desc plain_weight(const Key& k) {
  const auto tag = k.groups == 1 ? memory::format_tag::oihw : memory::format_tag::goihw;
  return {weight_dims(k), memory::data_type::f32, tag};
}

template <typename Description>
Convolution complete(const Description& pd, const memory::desc& image, const memory::desc& weight,
                     const memory::desc& bias, const memory::desc& out) {
  return {dnnl::primitive(pd), image, weight, bias, out, pd.scratchpad_desc()};
}

Convolution make(const Key& k) {
  const OneThread one;
  using dnnl::prop_kind;
  const auto f32 = memory::data_type::f32;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const memory::dims stride = {k.stride_h, k.stride_w}, padding = {k.padding_h, k.padding_w};
  const memory::dims dilation = {k.dilation_h - 1, k.dilation_w - 1};
  // What is added below and right so that the windows fit exactly; a negative amount leaves out what none covers.
  const memory::dims rest = {(k.p - 1) * k.stride_h + (k.r - 1) * k.dilation_h + 1 - k.h - k.padding_h,
                             (k.q - 1) * k.stride_w + (k.s - 1) * k.dilation_w + 1 - k.w - k.padding_w};
  const memory::desc image({k.n, k.c, k.h, k.w}, f32, memory::format_tag::nhwc);
  const memory::desc out({k.n, k.k, k.p, k.q}, f32, memory::format_tag::nhwc);
  const memory::desc weight(weight_dims(k), f32, memory::format_tag::any);
  const memory::desc bias({k.k}, f32, memory::format_tag::a);
  using Forward = dnnl::convolution_forward;
  const auto forward = describe<Forward>(prop_kind::forward_training, algorithm, image, weight, bias, out, stride,
                                         dilation, padding, rest);
  if (k.kind == Kind::forward) return complete(forward, image, forward.weights_desc(), bias, out);
  if (k.kind == Kind::backward_data) {
    const auto pd = describe_backward<dnnl::convolution_backward_data>(forward, algorithm, image, weight, out, stride,
                                                                       dilation, padding, rest);
    return complete(pd, image, pd.weights_desc(), bias, out);
  }
  const auto pd = describe_backward<dnnl::convolution_backward_weights>(forward, algorithm, image, weight, bias, out,
                                                                        stride, dilation, padding, rest);
  return complete(pd, image, pd.diff_weights_desc(), bias, out);
}

std::shared_ptr<const Convolution> convolution(const Key& key) {
  static auto* const cache = new Cache<Key, Convolution>;
  return cache->find(key, [&] { return make(key); });
}

using Arguments = std::unordered_map<int, memory>;

memory at(const memory::desc& desc, const void* data) { return {desc, engine(), const_cast<void*>(data)}; }

void execute(const Convolution& conv, Arguments arguments) {
  const OneThread one;
  const Space scratch(conv.scratchpad.get_size());
  arguments.emplace(DNNL_ARG_SCRATCHPAD, at(conv.scratchpad, scratch.data()));
  conv.primitive.execute(stream(), arguments);
}

// body(part, first image, convolution of the part's images) for each of the parts, in parallel. Their sizes differ by
// at most one image, so there are at most two primitives.
template <typename F>
void each_part(Key key, std::int64_t parts, F&& body) {
  const std::int64_t n = key.n;
  parallel_parts(parts, [&](std::int64_t part) {
    Key mine = key;
    mine.n = n * (part + 1) / parts - n * part / parts;
    body(part, n * part / parts, *convolution(mine));
  });
}

// The weights as a primitive wants them.
class PackedWeight {
 public:
  PackedWeight(const Key& key, const Convolution& conv, const Tensor& weight) : space_(conv.weight.get_size()) {
    reorder(plain_weight(key), weight.raw(), conv.weight, space_.data());
  }
  const void* data() const { return space_.data(); }

 private:
  Space space_;
};

// The layout of the weights may depend on the size of a part: parts of both sizes pack their own when they differ.
const void* weight_for(const Key& key, const Convolution& conv, const Convolution& first, const PackedWeight& packed,
                       const Tensor& weight, std::unique_ptr<PackedWeight>& own) {
  if (conv.weight == first.weight) return packed.data();
  own = std::make_unique<PackedWeight>(key, conv, weight);
  return own->data();
}

std::int64_t parts_of(const Key& key, std::int64_t most) { return std::min(key.n, most); }
Key part_key(Key key, std::int64_t parts) {
  key.n /= parts;
  return key;
}

// In place, while it is in the cache. The library's own ReLU, written with the convolution, makes 0 of a NaN. Chosen by
// lanes (vector_size is GCC's and Clang's): a branch per element would cost more than the convolution.
void clip_below_zero(float* y, std::int64_t n) {
  typedef float Values __attribute__((vector_size(16)));  // NOLINT(modernize-use-using)
  constexpr std::int64_t kLanes = sizeof(Values) / sizeof(float);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Values values;
    std::memcpy(&values, y + i, sizeof values);
    values = values < 0 ? Values{} : values;
    std::memcpy(y + i, &values, sizeof values);
  }
  for (; i < n; ++i) y[i] = y[i] < 0 ? 0.0f : y[i];
}

template <bool relu>
void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  const Key key = key_of(Kind::forward, x, weight, y, o);
  const std::int64_t parts = parts_of(key, kImageParts), image = x.elements() / key.n, out = y.elements() / key.n;
  const auto first = convolution(part_key(key, parts));
  const PackedWeight packed(key, *first, weight);
  std::vector<float> zeros(bias.defined() ? 0 : static_cast<std::size_t>(key.k));
  const float* offsets = bias.defined() ? bias.data<float>() : zeros.data();
  each_part(key, parts, [&](std::int64_t, std::int64_t n, const Convolution& conv) {
    std::unique_ptr<PackedWeight> own;
    execute(conv, {{DNNL_ARG_SRC, at(conv.image, x.data<float>() + n * image)},
                   {DNNL_ARG_WEIGHTS, at(conv.weight, weight_for(key, conv, *first, packed, weight, own))},
                   {DNNL_ARG_BIAS, at(conv.bias, offsets)},
                   {DNNL_ARG_DST, at(conv.out, y.data<float>() + n * out)}});
    const auto values = static_cast<std::int64_t>(conv.out.get_size() / sizeof(float));
    if (relu) clip_below_zero(y.data<float>() + n * out, values);
  });
}

void backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  const Key key = key_of(Kind::backward_data, dx, weight, dy, o);
  const std::int64_t parts = parts_of(key, kImageParts), image = dx.elements() / key.n, out = dy.elements() / key.n;
  const auto first = convolution(part_key(key, parts));
  const PackedWeight packed(key, *first, weight);
  each_part(key, parts, [&](std::int64_t, std::int64_t n, const Convolution& conv) {
    std::unique_ptr<PackedWeight> own;
    execute(conv, {{DNNL_ARG_DIFF_DST, at(conv.out, dy.data<float>() + n * out)},
                   {DNNL_ARG_WEIGHTS, at(conv.weight, weight_for(key, conv, *first, packed, weight, own))},
                   {DNNL_ARG_DIFF_SRC, at(conv.image, dx.data<float>() + n * image)}});
  });
}

// Each part sums over its images, in the library's layout and then in the plain one; the parts are added in order.
void backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  const Key key = key_of(Kind::backward_weight, x, dw, dy, o);
  const std::int64_t parts = parts_of(key, dw.elements() >= kLargeWeight ? 2 : kWeightParts);
  const std::int64_t image = x.elements() / key.n, out = dy.elements() / key.n, size = dw.elements();
  const Space sums(static_cast<std::size_t>(parts * size) * sizeof(float));
  const Space bias_sums(static_cast<std::size_t>(parts * key.k) * sizeof(float));
  float* const sum = static_cast<float*>(sums.data());
  float* const bias_sum = static_cast<float*>(bias_sums.data());
  each_part(key, parts, [&](std::int64_t part, std::int64_t n, const Convolution& conv) {
    const Space weight(conv.weight.get_size());
    execute(conv, {{DNNL_ARG_SRC, at(conv.image, x.data<float>() + n * image)},
                   {DNNL_ARG_DIFF_DST, at(conv.out, dy.data<float>() + n * out)},
                   {DNNL_ARG_DIFF_WEIGHTS, at(conv.weight, weight.data())},
                   {DNNL_ARG_DIFF_BIAS, at(conv.bias, bias_sum + part * key.k)}});
    reorder(conv.weight, weight.data(), plain_weight(key), sum + part * size);
  });
  const auto total = [parts](const float* from, std::int64_t n, float* to) {
    parallel_for(n, 16'384, [&](std::int64_t begin, std::int64_t end) {
      std::copy(from + begin, from + end, to + begin);
      for (std::int64_t part = 1; part < parts; ++part)
        for (std::int64_t i = begin; i < end; ++i) to[i] += from[part * n + i];
    });
  };
  total(sum, size, dw.data<float>());
  if (dbias.defined()) total(bias_sum, key.k, dbias.data<float>());
}

// The channels of a group, below which our own direct convolution is faster on dense images: it does not fill up blocks
// of 16 channels, and adds up weight gradients without repacking them. Measured on AVX-512 with one thread per core.
constexpr std::int64_t kChannels = 16, kWeightChannels = 128;

std::string refuse(const Tensor& image, const Tensor& weight, const Tensor& out, int groups, std::int64_t channels) {
  if (image.dtype() != DType::f32) return message("x is ", image.dtype());
  for (const Tensor* t : {&image, &out})
    if (!t->channels_last() || !t->layout().dense()) return "an image is not dense channels-last";
  if (!weight.contiguous_format()) return "the weight is not contiguous";
  if (groups == 1 && (image.size(1) < channels || out.size(1) < kChannels)) return "too few channels to be worth it";
  return image.elements() == 0 || out.elements() == 0 ? "an image is empty" : "";
}
std::string refuse_forward(const Tensor& x, const Tensor& weight, const Tensor&, Conv2dOptions o, const Tensor& y) {
  return refuse(x, weight, y, o.groups, kChannels);
}
std::string refuse_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  return refuse(dx, weight, dy, o.groups, kChannels);
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return refuse(x, dw, dy, o.groups, kWeightChannels);
}

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add({.name = "onednn.packed", .rank = 50, .refuse = refuse_forward, .run = forward<false>}),
    conv2d_bias_relu_forward.add({.name = "onednn.packed", .rank = 50, .refuse = refuse_forward, .run = forward<true>}),
    conv2d_backward_data.add({.name = "onednn.packed", .rank = 50, .refuse = refuse_data, .run = backward_data}),
    conv2d_backward_weight.add({.name = "onednn.packed", .rank = 50, .refuse = refuse_weight, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::onednn
