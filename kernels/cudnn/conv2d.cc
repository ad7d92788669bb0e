// Convolution by cuDNN. The engines that use tensor cores want filters in the images' order, so for channels-last
// images the filter is copied into it first and its gradient copied back: small beside the convolution.
#include "core/ops/conv2d.h"

#include "core/ops/copy.h"
#include "core/ops/reduce.h"
#include "kernels/cudnn/plan_cache.h"
#include "kernels/nvidia/call.h"
#include "kernels/nvidia/library.h"

namespace weft::cudnn {
namespace {

constexpr std::uintptr_t kAlignment = 16;  // bytes, of every operand: what cuDNN is promised

std::string name_of(int device) {
  const DeviceFacts facts = runtime(DeviceKind::cuda).facts(device);
  std::string name = message(facts.name, " compute ", facts.capability);
  for (const auto& [part, version] : facts.versions) name += message(" ", part, " ", version);
  return name;
}

// A handle for each thread and device, made while the device is current. Never destroyed, like the caches: at exit the
// driver may be gone.
const Gpu& gpu_of(int device) {
  thread_local std::vector<const Gpu*> gpus;
  if (gpus.size() <= static_cast<std::size_t>(device)) gpus.resize(static_cast<std::size_t>(device) + 1);
  const Gpu*& gpu = gpus[static_cast<std::size_t>(device)];
  if (!gpu) gpu = current_gpu(name_of(device)).release();
  return *gpu;
}

PlanCache& cache_of(int device) {
  static std::mutex mutex;
  static auto* const caches = new std::unordered_map<int, std::unique_ptr<PlanCache>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<PlanCache>& cache = (*caches)[device];
  if (!cache) cache = std::make_unique<PlanCache>(gpu_of(device).identity(), plan_folder());
  return *cache;
}

// A call of one of the slots: what it computes, and where its operands lie.
struct Call {
  Convolution convolution;
  const Tensor &x, &weight, &y;
  int device() const { return x.device().index; }
  Outcome plan() const {
    const nvidia::OnDevice on(device());
    return cache_of(device()).find(convolution, gpu_of(device()));
  }
};

Call call_of(Direction direction, const Tensor& x, const Tensor& weight, const Tensor& y, const Conv2dOptions& o,
             bool bias = false, bool relu = false) {
  Convolution wanted = convolution(direction, x.dtype(), x.format(), x.shape(), weight.shape(), o, bias, relu);
  const auto pitch = [](const Tensor& t) { return t.layout().dense() ? 0 : t.layout().pitch(); };
  if (x.channels_last() && y.channels_last()) wanted.x_pitch = pitch(x), wanted.y_pitch = pitch(y);
  return {wanted, x, weight, y};
}

// Whether the filter's elements lie in another order than the images' format asks for.
bool needs_reordering(const Call& call) {
  const Convolution& v = call.convolution;
  return v.format == MemoryFormat::channels_last && v.r * v.s > 1 && v.c / v.groups > 1;
}

bool aligned(const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw()) % kAlignment == 0; }

std::string refuse(const Call& call, const Tensor& bias) {
  if (const std::string& missing = nvidia::cudnn_library().refusal(); !missing.empty()) return missing;
  for (const Tensor* t : {&call.x, &call.y})
    if (t->format() == MemoryFormat::strided) return "an image is strided";
  if (call.x.format() != call.y.format()) return "the images differ in memory format";
  if (std::string words = refusal(call.convolution); !words.empty()) return words;
  for (const Tensor* t : {&call.x, &call.weight, &call.y, &bias})
    if (t->defined() && !aligned(*t))
      return message("an operand does not begin at a multiple of ", kAlignment, " bytes");
  return call.plan().refusal;
}

void run(const Call& call, void* weight, const Tensor& bias) {
  const auto plan = call.plan().plan;
  ensure(plan != nullptr, "a convolution runs after it was not refused");
  const nvidia::OnDevice on(call.device());
  const nvidia::Workspace workspace(call.device(), static_cast<std::size_t>(plan->workspace_bytes()));
  run_plan(*plan, gpu_of(call.device()), nvidia::current_stream(call.device()),
           {call.x.raw(), weight, call.y.raw(), bias.defined() ? bias.raw() : nullptr}, workspace.data(),
           message(call.convolution, " on ", call.x.device()));
}

// The filter in the images' order.
Tensor ordered_like(const Tensor& weight) {
  return empty(weight.shape(), {weight.dtype(), weight.device(), MemoryFormat::channels_last});
}
void run_with_filter(const Call& call, const Tensor& bias = {}) {
  if (!needs_reordering(call)) return run(call, call.weight.raw(), bias);
  const Tensor ordered = ordered_like(call.weight);
  copy_forward(call.weight, ordered);
  run(call, ordered.raw(), bias);
}

template <bool relu>
void forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o, const Tensor& y) {
  run_with_filter(call_of(Direction::forward, x, weight, y, o, bias.defined(), relu), bias);
}
template <bool relu>
std::string refuse_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o,
                           const Tensor& y) {
  return refuse(call_of(Direction::forward, x, weight, y, o, bias.defined(), relu), bias);
}

void backward_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  run_with_filter(call_of(Direction::backward_data, dx, weight, dy, o));
}
std::string refuse_data(const Tensor& dy, const Tensor& weight, Conv2dOptions o, const Tensor& dx) {
  return refuse(call_of(Direction::backward_data, dx, weight, dy, o), {});
}

void backward_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor& dbias) {
  const Call call = call_of(Direction::backward_weight, x, dw, dy, o);
  if (needs_reordering(call)) {
    const Tensor ordered = ordered_like(dw);
    run(call, ordered.raw(), {});
    copy_forward(ordered, dw);
  } else {
    run(call, dw.raw(), {});
  }
  if (!dbias.defined()) return;
  Layout channels = dense_layout({1, dbias.size(0), 1, 1});
  channels.offset = dbias.layout().offset;
  reduce_forward(Fold::sum, 1, dy, make_view(dbias, channels));
}
std::string refuse_weight(const Tensor& x, const Tensor& dy, Conv2dOptions o, const Tensor& dw, const Tensor&) {
  return refuse(call_of(Direction::backward_weight, x, dw, dy, o), {});
}

constexpr DeviceKind kCuda = DeviceKind::cuda;

[[maybe_unused]] const bool registered[] = {
    conv2d_forward.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_forward<false>, .run = forward<false>}),
    conv2d_bias_relu_forward.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_forward<true>, .run = forward<true>}),
    conv2d_backward_data.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_data, .run = backward_data}),
    conv2d_backward_weight.add(
        {.device = kCuda, .name = "cudnn.graph", .rank = 20, .refuse = refuse_weight, .run = backward_weight}),
};

}  // namespace
}  // namespace weft::cudnn
