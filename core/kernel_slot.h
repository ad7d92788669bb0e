// KernelSlot: one computation, and the ranked candidates that backends add to it. A call goes to the first candidate
// of the tensors' device that does not refuse; when all refuse, their words become the error. Nothing crosses devices.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/device.h"
#include "core/error.h"
#include "core/profile.h"
#include "core/tensor.h"

namespace weft {

// What one call costs at least; the profiler's roofline, the model summary and the benchmarks read it.
struct Cost {
  double macs = 0;   // multiply-accumulates of matrix products and convolutions
  double flops = 0;  // all floating-point operations, 2 per multiply-accumulate
  double bytes = 0;  // read once + written once
};

// One kernel call, as told to observers.
struct KernelCall {
  std::string_view slot;
  std::string_view candidate;
  Device device;
  Cost cost;  // nothing for a call that a candidate of another slot makes: the outer call has it
};

// Hears of every kernel call of this thread while it lives. Not free: for the summary, profiles and tests.
class WEFT_API KernelObserver {
 public:
  KernelObserver();
  KernelObserver(const KernelObserver&) = delete;
  KernelObserver& operator=(const KernelObserver&) = delete;
  virtual ~KernelObserver();
  virtual void called(const KernelCall& call) = 0;

 private:
  KernelObserver* outer_;
};

// What all slots share, whatever their arguments.
class WEFT_API KernelSlotBase {
 public:
  constexpr explicit KernelSlotBase(const char* name) : name_(name) {}
  const char* name() const { return name_; }
  // Names of the candidates for a kind of device, first choice first.
  std::vector<std::string> candidates(DeviceKind kind) const;

  static constexpr int kMaxCandidates = 12;  // per slot and kind of device

 protected:
  // What is known of a candidate without knowing the arguments.
  struct Face {
    const char* name = nullptr;
    int rank = 0;
  };
  // Where a candidate of this rank and name belongs; keeps names_ sorted by rank, ties by name. Called under the lock.
  int insert_face(DeviceKind kind, const char* name, int rank);
  // Index of the forced candidate for the kind, or -1.
  int forced(DeviceKind kind) const { return forced_[static_cast<int>(kind)].load(std::memory_order_relaxed); }
  [[noreturn]] void refuse(DeviceKind kind, std::span<const std::string> reasons, bool was_forced) const;
  [[noreturn]] void refuse_mixed(int first, Device a, int second, Device b) const;
  void report(DeviceKind kind, int index, std::span<const std::string> refusals, Device device, const Cost& cost) const;

  // Marks what runs below as part of an outer call; only while somebody listens.
  class WEFT_API Inside {
   public:
    Inside();
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
  };
  static bool is_inside();

  static std::atomic<int> observers_;  // > 0 while somebody listens or WEFT_TRACE=kernels
  static const bool tracing_;

  friend WEFT_API void force_kernel(std::string_view slot, std::string_view candidate);
  friend WEFT_API std::vector<const KernelSlotBase*> kernel_slots();
  friend class KernelObserver;

  const char* name_;
  KernelSlotBase* next_ = nullptr;
  bool listed_ = false;
  std::atomic<int> count_[kDeviceKinds] = {};
  Face faces_[kDeviceKinds][kMaxCandidates] = {};
  std::atomic<int> forced_[kDeviceKinds] = {-1, -1, -1};
};

// All slots that have a candidate, by name.
WEFT_API std::vector<const KernelSlotBase*> kernel_slots();

// Makes a slot use the candidate of that name ("cpu.direct", or "direct" alone) and refuse when it refuses; an empty
// candidate lifts it. WEFT_KERNELS="conv2d_forward=direct,softmax_forward=cpu.rows" does the same for a process.
WEFT_API void force_kernel(std::string_view slot, std::string_view candidate);
// Throws Error(usage) when WEFT_KERNELS names a slot or candidate that there is not; the program calls it at its start.
WEFT_API void check_kernels_wanted();

template <typename Signature>
class KernelSlot;

template <typename... Args>
class KernelSlot<void(Args...)> final : public KernelSlotBase {
 public:
  struct Candidate {
    DeviceKind device = DeviceKind::cpu;
    const char* name = nullptr;  // "backend.algorithm"
    int rank = 0;                // lower is tried first
    // Why this candidate cannot take the call; empty when it can. Null accepts everything.
    std::string (*refuse)(Args...) = nullptr;
    void (*run)(Args...) = nullptr;
  };
  using CostFunction = Cost (*)(Args...);

  constexpr explicit KernelSlot(const char* name, CostFunction cost = nullptr) : KernelSlotBase(name), cost_(cost) {}

  // Registers a candidate. Always true, so that registrations can be initialisers.
  bool add(const Candidate& candidate) {
    const int kind = static_cast<int>(candidate.device);
    const int at = insert_face(candidate.device, candidate.name, candidate.rank);
    const int count = count_[kind].load(std::memory_order_relaxed);
    for (int i = count; i > at; --i) entries_[kind][i] = entries_[kind][i - 1];
    entries_[kind][at] = {candidate.refuse, candidate.run};
    count_[kind].store(count + 1, std::memory_order_release);
    return true;
  }

  // Runs the first candidate that accepts. The tensors among the arguments must share one device.
  void operator()(Args... args) const {
    const Device device = common_device(args...);
    const int kind = static_cast<int>(device.kind);
    const int count = count_[kind].load(std::memory_order_acquire);
    const int only = forced(device.kind);
    for (int i = only >= 0 ? only : 0; i < count; ++i) {
      const Entry& entry = entries_[kind][i];
      if (entry.refuse && !entry.refuse(args...).empty()) {
        if (only >= 0) break;
        continue;
      }
      if (observers_.load(std::memory_order_relaxed) > 0) [[unlikely]] {
        report(device.kind, i, reasons(kind, only >= 0 ? only : 0, i, args...), device,
               cost_ && !is_inside() ? cost_(args...) : Cost{});
        const KernelRange range(name(), first_tensor(args...));
        const Inside inside;
        entry.run(args...);
      } else {
        entry.run(args...);
      }
      return;
    }
    refuse(device.kind, reasons(kind, only >= 0 ? only : 0, only >= 0 ? only + 1 : count, args...), only >= 0);
  }

 private:
  struct Entry {
    std::string (*refuse)(Args...) = nullptr;
    void (*run)(Args...) = nullptr;
  };

  std::vector<std::string> reasons(int kind, int from, int to, Args... args) const {
    std::vector<std::string> out;
    for (int i = from; i < to; ++i) out.push_back(entries_[kind][i].refuse ? entries_[kind][i].refuse(args...) : "");
    return out;
  }

  template <typename T>
  static const Tensor* tensor_in(const T& arg) {
    if constexpr (std::is_same_v<std::remove_cvref_t<T>, Tensor>) return arg.defined() ? &arg : nullptr;
    return nullptr;
  }
  static const Tensor* first_tensor(const std::remove_reference_t<Args>&... args) {
    const Tensor* first = nullptr;
    ((first = first ? first : tensor_in(args)), ...);
    return first;
  }
  Device common_device(const std::remove_reference_t<Args>&... args) const {
    const Tensor* tensors[] = {tensor_in(args)..., nullptr};
    int first = -1;
    for (int i = 0; i < static_cast<int>(sizeof...(Args)); ++i) {
      if (!tensors[i]) continue;
      if (first < 0)
        first = i;
      else if (tensors[i]->device() != tensors[first]->device())
        refuse_mixed(first, tensors[first]->device(), i, tensors[i]->device());
    }
    return first < 0 ? Device{} : tensors[first]->device();
  }

  CostFunction cost_;
  Entry entries_[kDeviceKinds][kMaxCandidates] = {};
};

}  // namespace weft
