#include "core/profile.h"

#if WEFT_HAS_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

#include <mutex>
#include <string>
#include <unordered_set>

#include "core/autograd.h"
#include "core/tensor.h"

namespace weft {
namespace {

constexpr const char* kOutside = "outside layers";
constinit thread_local const char* layer = kOutside;

#if WEFT_HAS_NVTX
// Null when no tool is attached: NVTX then hands out no domains.
nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t created = [] {
    const nvtxDomainHandle_t handle = nvtxDomainCreateA("weft");
    constexpr const char* names[] = {"step", "forward", "backward", "optim", "comm", "data", "eval", "io"};
    static_assert(std::size(names) == static_cast<std::size_t>(Phase::count));
    for (std::uint32_t i = 0; handle && i < std::size(names); ++i) nvtxDomainNameCategoryA(handle, i + 1, names[i]);
    return handle;
  }();
  return created;
}

nvtxEventAttributes_t attributes(Phase phase, std::uint64_t payload) {
  nvtxEventAttributes_t out{};
  out.version = NVTX_VERSION;
  out.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  out.category = static_cast<std::uint32_t>(phase) + 1;
  out.payloadType = NVTX_PAYLOAD_TYPE_UNSIGNED_INT64;
  out.payload.ullValue = payload;
  return out;
}

// "256x1x28x28 f32 nchw"
std::string describe(const Tensor* x) {
  if (!x) return "no tensors";
  std::string text;
  for (const std::int64_t size : x->shape()) text += (text.empty() ? "" : "x") + std::to_string(size);
  const char* format = x->channels_last() ? "nhwc" : x->contiguous_format() ? "nchw" : "strided";
  return message(text.empty() ? "scalar" : text, " ", x->dtype(), x->rank() == 4 ? " " : "",
                 x->rank() == 4 ? format : "");
}
#endif

}  // namespace

#if WEFT_HAS_NVTX
bool detail::find_profiler() { return domain() != nullptr; }

// The names of layers and phases come again at every step, so they are registered.
void detail::push_range(Phase phase, std::string_view name, std::uint64_t payload) {
  nvtxEventAttributes_t event = attributes(phase, payload);
  event.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
  event.message.registered = nvtxDomainRegisterStringA(domain(), std::string(name).c_str());
  nvtxDomainRangePushEx(domain(), &event);
}
void detail::pop_range() { nvtxDomainRangePop(domain()); }

// The text of a kernel call holds its number and never comes again: registering it would only fill the tool's memory.
KernelRange::KernelRange(const char* slot, const Tensor* first) {
  if (!profiling()) return;
  const std::uint64_t sequence = current_sequence();
  const std::string text = message(layer, " | ", slot, " | ", describe(first), " | seq=", sequence);
  nvtxEventAttributes_t event = attributes(in_backward() ? Phase::backward : Phase::forward, sequence);
  event.messageType = NVTX_MESSAGE_TYPE_ASCII;
  event.message.ascii = text.c_str();
  nvtxDomainRangePushEx(domain(), &event);
}
KernelRange::~KernelRange() {
  if (profiling()) nvtxDomainRangePop(domain());
}
#else
bool detail::find_profiler() { return false; }
void detail::push_range(Phase, std::string_view, std::uint64_t) {}
void detail::pop_range() {}
KernelRange::KernelRange(const char*, const Tensor*) {}
KernelRange::~KernelRange() = default;
#endif

const bool detail::profiler_listens = detail::find_profiler();

const char* current_layer() { return layer; }
LayerScope::LayerScope(const char* text) : layer_(layer, text) {}

const char* interned(std::string_view text) {
  static auto* mutex = new std::mutex;
  static auto* texts = new std::unordered_set<std::string>;
  const std::lock_guard lock(*mutex);
  return texts->emplace(text).first->c_str();
}

}  // namespace weft
