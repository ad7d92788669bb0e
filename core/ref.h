// Ref: an intrusive, thread-safe counted pointer. A counted type derives from Counted and may give a static
// `dispose(T*)`, called in place of delete when the last reference goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace weft {

class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::uint32_t references() const { return count_.load(std::memory_order_acquire); }

 protected:
  ~Counted() = default;

 private:
  template <typename T>
  friend class Ref;
  std::atomic<std::uint32_t> count_{0};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->count_.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && object_->count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      if constexpr (requires { T::dispose(object_); })
        T::dispose(object_);
      else
        delete object_;
    }
  }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref&, const Ref&) = default;

 private:
  T* object_ = nullptr;
};

}  // namespace weft
