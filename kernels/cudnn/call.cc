#include "kernels/cudnn/call.h"

#include <atomic>

#include "core/log.h"
#include "core/ops/copy.h"
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
// driver may be gone. A GPU that cuDNN does not start on is said once.
const OpenedGpu& opened(int device) {
  thread_local std::vector<const OpenedGpu*> gpus;
  if (gpus.size() <= static_cast<std::size_t>(device)) gpus.resize(static_cast<std::size_t>(device) + 1);
  const OpenedGpu*& gpu = gpus[static_cast<std::size_t>(device)];
  if (!gpu) {
    gpu = new OpenedGpu(current_gpu(name_of(device)));
    static std::atomic<bool> said{false};
    if (!gpu->refusal.empty() && !said.exchange(true)) warn(gpu->refusal, "; weft's own kernels run instead");
  }
  return *gpu;
}
const Gpu& gpu_of(int device) {
  ensure(opened(device).gpu != nullptr, "a GPU that cuDNN does not start on is refused before");
  return *opened(device).gpu;
}

PlanCache& cache_of(int device) {
  static std::mutex mutex;
  static auto* const caches = new std::unordered_map<int, std::unique_ptr<PlanCache>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<PlanCache>& cache = (*caches)[device];
  if (!cache) cache = std::make_unique<PlanCache>(gpu_of(device).identity(), plan_folder());
  return *cache;
}

// Whether the filter's elements lie in another order than the images' format asks for.
bool needs_reordering(const Call& call) {
  const Convolution& v = call.convolution;
  return v.format == MemoryFormat::channels_last && v.r * v.s > 1 && v.c / v.groups > 1;
}

// A filter in the images' order.
Tensor ordered_like(const Tensor& weight) {
  return empty(weight.shape(), {weight.dtype(), weight.device(), MemoryFormat::channels_last});
}

}  // namespace

Outcome Call::plan() const {
  const nvidia::OnDevice on(device());
  if (const std::string& refusal = opened(device()).refusal; !refusal.empty()) return {nullptr, refusal};
  return cache_of(device()).find(convolution, gpu_of(device()));
}

Call call_of(Direction direction, const Tensor& x, const Tensor& weight, const Tensor& y, const Conv2dOptions& o,
             bool bias, bool relu) {
  Convolution wanted = convolution(direction, x.dtype(), x.format(), x.shape(), weight.shape(), o, bias, relu);
  const auto pitch = [](const Tensor& t) { return t.layout().dense() ? 0 : t.layout().pitch(); };
  if (x.channels_last() && y.channels_last()) wanted.x_pitch = pitch(x), wanted.y_pitch = pitch(y);
  return {wanted, x, weight, y};
}

bool aligned(const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw()) % kAlignment == 0; }

std::string refuse(const Call& call, std::initializer_list<Input> others) {
  if (const std::string& missing = nvidia::cudnn_library().refusal(); !missing.empty()) return missing;
  for (const Tensor* t : {&call.x, &call.y})
    if (t->format() == MemoryFormat::strided) return "an image is strided";
  if (call.x.format() != call.y.format()) return "the images differ in memory format";
  if (std::string words = refusal(call.convolution); !words.empty()) return words;
  const auto misplaced = [](const Tensor& t) { return t.defined() && !aligned(t); };
  bool any = misplaced(call.x) || misplaced(call.weight) || misplaced(call.y);
  for (const Input& other : others) any = any || misplaced(*other.tensor);
  if (any) return message("an operand does not begin at a multiple of ", kAlignment, " bytes");
  return call.plan().refusal;
}

void run(const Call& call, const Operands& operands) {
  const auto plan = call.plan().plan;
  ensure(plan != nullptr, "a convolution runs after it was not refused");
  const nvidia::OnDevice on(call.device());
  const nvidia::Workspace workspace(call.device(), static_cast<std::size_t>(plan->workspace_bytes()));
  run_plan(*plan, gpu_of(call.device()), nvidia::current_stream(call.device()), operands, workspace.data(),
           message(call.convolution, " on ", call.x.device()));
}

Tensor ordered_filter(const Call& call) {
  if (!needs_reordering(call)) return call.weight;
  const Tensor ordered = ordered_like(call.weight);
  copy_forward(call.weight, ordered);
  return ordered;
}

void run_into_filter(const Call& call, Operands operands) {
  const Tensor written = needs_reordering(call) ? ordered_like(call.weight) : call.weight;
  operands.emplace_back(kWeight, written.raw());
  run(call, operands);
  if (needs_reordering(call)) copy_forward(written, call.weight);
}

}  // namespace weft::cudnn
