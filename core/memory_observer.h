// MemoryObserver: hears of the memory that a thread's tensors take and give back, with their shapes; what kernels take
// for the length of a call is not among it. For plans of memory, which run a net on a batch of no samples.
#pragma once

#include "core/dtype.h"
#include "core/scoped.h"
#include "core/shape.h"
#include "core/storage.h"

namespace weft {

class WEFT_API MemoryObserver {
 public:
  virtual ~MemoryObserver();
  virtual void allocated(const Storage& storage, const Shape& shape, DType dtype) = 0;
  virtual void freed(const Storage& storage) noexcept = 0;

  // While one lives, this thread's tensors are told to the observer.
  class WEFT_API Scope {
   public:
    explicit Scope(MemoryObserver* observer);

   private:
    Scoped<MemoryObserver*> observer_;
  };
  static MemoryObserver* current();  // null: none
};

}  // namespace weft
