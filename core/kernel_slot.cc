#include "core/kernel_slot.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/log.h"
#include "core/profile.h"
#include "core/runtime/runtime.h"

namespace weft {
namespace {

std::mutex& registry_mutex() {
  static std::mutex mutex;
  return mutex;
}
constinit KernelSlotBase* first_slot = nullptr;
constinit thread_local KernelObserver* observer = nullptr;

// "direct" and "cpu.direct" both name the candidate "cpu.direct".
bool names(std::string_view wanted, std::string_view candidate) {
  if (wanted == candidate) return true;
  const auto dot = candidate.find('.');
  return dot != candidate.npos && wanted == candidate.substr(dot + 1);
}

std::string_view kernels_wanted() {
  const char* text = std::getenv("WEFT_KERNELS");
  return text ? text : "";
}

// Whether a backend that is here has it.
bool known(std::string_view slot, std::string_view candidate) {
  for (const KernelSlotBase* s : kernel_slots())
    for (int k = 0; slot == s->name() && k < kDeviceKinds; ++k)
      for (const std::string& name : s->candidates(static_cast<DeviceKind>(k)))
        if (names(candidate, name)) return true;
  return false;
}
// A candidate may be that of a module which nobody has needed yet; loading one starts no device.
void load_modules() {
  for (const DeviceKind kind : {DeviceKind::cuda, DeviceKind::emulated}) {
    try {
      load_module(kind);
    } catch (const Error&) {  // this build has none
    }
  }
}

// Calls body(slot, candidate) for each item of "slot=candidate,slot=candidate".
template <typename Body>
void each_forced(std::string_view list, Body&& body) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
    list = comma == list.npos ? std::string_view{} : list.substr(comma + 1);
    const auto equals = item.find('=');
    body(item.substr(0, equals), equals == item.npos ? std::string_view{} : item.substr(equals + 1));
  }
}

}  // namespace

constinit std::atomic<int> KernelSlotBase::observers_{0};

// Tracing is one more observer, counted once, so that a call pays for neither when both are off.
const bool KernelSlotBase::tracing_ = [] {
  const char* text = std::getenv("WEFT_TRACE");
  const bool wanted = text && std::string_view(text).find("kernels") != std::string_view::npos;
  observers_ += wanted + detail::find_profiler();
  return wanted;
}();

namespace {
constinit thread_local int outer_calls = 0;
}
KernelSlotBase::Inside::Inside() { ++outer_calls; }
KernelSlotBase::Inside::~Inside() { --outer_calls; }
bool KernelSlotBase::is_inside() { return outer_calls > 0; }

int KernelSlotBase::insert_face(DeviceKind kind, const char* name, int rank) {
  const std::lock_guard lock(registry_mutex());
  if (!listed_) {
    listed_ = true;
    next_ = first_slot;
    first_slot = this;
  }
  const int k = static_cast<int>(kind);
  const int count = count_[k].load();
  ensure(count < kMaxCandidates, "a kernel slot has room for its candidates");
  int at = 0;
  while (at < count &&
         (faces_[k][at].rank < rank || (faces_[k][at].rank == rank && std::strcmp(faces_[k][at].name, name) < 0)))
    ++at;
  for (int i = count; i > at; --i) faces_[k][i] = faces_[k][i - 1];
  faces_[k][at] = {name, rank};
  if (forced_[k] >= at) ++forced_[k];
  each_forced(kernels_wanted(), [&](std::string_view slot, std::string_view candidate) {
    if (slot == name_ && names(candidate, name)) forced_[k] = at;
  });
  return at;
}

std::vector<std::string> KernelSlotBase::candidates(DeviceKind kind) const {
  const std::lock_guard lock(registry_mutex());
  std::vector<std::string> out;
  const int k = static_cast<int>(kind);
  for (int i = 0; i < count_[k].load(); ++i) out.emplace_back(faces_[k][i].name);
  return out;
}

void KernelSlotBase::refuse(DeviceKind kind, std::span<const std::string> reasons, bool was_forced) const {
  const int k = static_cast<int>(kind);
  if (reasons.empty()) fail(ErrorKind::usage, name_, "no kernel for ", kind);
  std::string text = was_forced ? "the forced kernel cannot take this call" : message("no kernel for ", kind);
  const int first = was_forced ? forced_[k].load() : 0;
  for (std::size_t i = 0; i < reasons.size(); ++i)
    text += message("; ", faces_[k][first + static_cast<int>(i)].name, " refuses: ", reasons[i]);
  throw_error(ErrorKind::usage, name_, text);
}

void KernelSlotBase::refuse_mixed(int first, Device a, int second, Device b) const {
  fail(ErrorKind::usage, name_, "argument ", first + 1, " is on ", a, " and argument ", second + 1, " on ", b,
       "; move one with .to(device)");
}

void KernelSlotBase::report(DeviceKind kind, int index, std::span<const std::string> refusals, Device device,
                            const Cost& cost) const {
  const int k = static_cast<int>(kind);
  const KernelCall call{name_, faces_[k][index].name, device, cost};
  if (observer) observer->called(call);
  if (!tracing_) return;
  std::string why = forced_[k] >= 0 ? " (forced)" : "";
  for (std::size_t i = 0; i < refusals.size() && forced_[k] < 0; ++i)
    why += message("; ", faces_[k][i].name, " refuses: ", refusals[i]);
  log_line(LogLevel::info, message("kernel ", name_, " -> ", call.candidate, why));
}

std::vector<const KernelSlotBase*> kernel_slots() {
  const std::lock_guard lock(registry_mutex());
  std::vector<const KernelSlotBase*> out;
  for (const KernelSlotBase* slot = first_slot; slot; slot = slot->next_) out.push_back(slot);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) { return std::strcmp(a->name(), b->name()) < 0; });
  return out;
}

void force_kernel(std::string_view slot, std::string_view candidate) {
  const std::lock_guard lock(registry_mutex());
  for (KernelSlotBase* s = first_slot; s; s = s->next_) {
    if (slot != s->name_) continue;
    std::string known;
    bool found = candidate.empty();
    for (int k = 0; k < kDeviceKinds; ++k) {
      s->forced_[k] = -1;
      for (int i = 0; i < s->count_[k].load(); ++i) {
        known += message(known.empty() ? "" : ", ", s->faces_[k][i].name);
        if (candidate.empty() || !names(candidate, s->faces_[k][i].name)) continue;
        s->forced_[k] = i;
        found = true;
      }
    }
    require(found, slot, "has no candidate '", candidate, "'; it has ", known);
    return;
  }
  fail(ErrorKind::usage, "force_kernel", "no kernel slot is called '", slot, "'");
}

void check_kernels_wanted() {
  each_forced(kernels_wanted(), [](std::string_view slot, std::string_view candidate) {
    require(!candidate.empty(), "WEFT_KERNELS", "'", slot, "' is not of the form slot=candidate");
    if (!known(slot, candidate)) load_modules();
    force_kernel(slot, candidate);
  });
}

KernelObserver::KernelObserver() : outer_(observer) {
  observer = this;
  ++KernelSlotBase::observers_;
}

KernelObserver::~KernelObserver() {
  observer = outer_;
  --KernelSlotBase::observers_;
}

}  // namespace weft
