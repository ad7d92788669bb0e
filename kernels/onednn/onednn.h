// What weft's oneDNN candidates share: one engine, primitives that run on the calling thread alone, and the difference
// between oneDNN 2 (operation descriptors) and 3 (none). weft splits the work itself, into parts that depend on shapes
// only, because the library's own threading changes the order of sums with the number of threads.
#pragma once

#include <omp.h>

#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "core/runtime/runtime.h"
#include "core/tensor.h"

namespace weft::onednn {

// Never destroyed, like all that lives as long as the process here: the library's own cache of primitives, destroyed at
// exit, still refers to it.
inline const dnnl::engine& engine() {
  static const auto* const cpu = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *cpu;
}
inline dnnl::stream& stream() {
  thread_local dnnl::stream of_thread(engine());
  return of_thread;
}

// While one of these lives, oneDNN uses only the calling thread, both for what it creates and for what it runs.
class OneThread {
 public:
  OneThread() : outer_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(outer_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int outer_;
};

// The description of a forward primitive from its arguments; of a backward one, which also wants a forward hint.
// The scratchpad is the caller's: the library's own would be shared between threads.
inline dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}
#if DNNL_VERSION_MAJOR >= 3
template <typename Primitive, typename... Args>
typename Primitive::primitive_desc describe(const Args&... args) {
  return {engine(), args..., attributes()};
}
template <typename Primitive, typename Hint, typename... Args>
typename Primitive::primitive_desc describe_backward(const Hint& hint, const Args&... args) {
  return {engine(), args..., hint, attributes()};
}
#else
template <typename Primitive, typename... Args>
typename Primitive::primitive_desc describe(const Args&... args) {
  return {typename Primitive::desc(args...), attributes(), engine()};
}
template <typename Primitive, typename Hint, typename... Args>
typename Primitive::primitive_desc describe_backward(const Hint& hint, const Args&... args) {
  return {typename Primitive::desc(args...), attributes(), engine(), hint};
}
#endif

// Temporary memory from weft's caching allocator.
class Space {
 public:
  explicit Space(std::size_t bytes) : bytes_(bytes), data_(allocator().allocate(bytes)) {}
  ~Space() { allocator().free(data_, bytes_); }
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  void* data() const { return data_; }

 private:
  static Allocator& allocator() { return runtime(DeviceKind::cpu).allocator(0); }
  std::size_t bytes_;
  void* data_;
};

// Values made once per key and kept; at most kLimit, then all are forgotten. Key is trivially copyable without padding.
template <typename Key, typename Value>
class Cache {
 public:
  template <typename Make>
  std::shared_ptr<const Value> find(const Key& key, Make&& make) {
    const std::lock_guard lock(mutex_);
    if (const auto it = values_.find(key); it != values_.end()) return it->second;
    if (values_.size() >= kLimit) values_.clear();
    return values_[key] = std::make_shared<const Value>(make());
  }

 private:
  static constexpr std::size_t kLimit = 1024;
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&key), sizeof key});
    }
  };
  std::mutex mutex_;
  std::unordered_map<Key, std::shared_ptr<const Value>, Hash> values_;
};

// Copies between two layouts of one array, on the calling thread.
inline void reorder(const dnnl::memory::desc& from, void* source, const dnnl::memory::desc& to, void* target) {
  const OneThread one;
  dnnl::memory in(from, engine(), source), out(to, engine(), target);
  dnnl::reorder(in, out).execute(stream(), in, out);
}

}  // namespace weft::onednn
