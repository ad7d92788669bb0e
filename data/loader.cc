#include "data/loader.h"

#include <utility>

namespace weft::data {

Loader::Loader(DatasetPtr dataset, const LoaderOptions& options)
    : dataset_(std::move(dataset)),
      sampler_({.samples = dataset_ ? dataset_->size() : 0,
                .batch_size = options.batch_size,
                .shuffle = options.shuffle,
                .drop_last = options.drop_last,
                .seed = options.seed}),
      workers_(options.workers) {
  require(workers_ >= 0 && workers_ <= 256, "loader", "workers must be 0 to 256, got ", workers_);
  require(options.prefetch >= 1 && options.prefetch <= 1024, "loader", "prefetch must be 1 to 1024, got ",
          options.prefetch);
  slots_.resize(static_cast<std::size_t>(workers_) * options.prefetch);
}

Loader::~Loader() { stop(); }

void Loader::seek(SamplerState state) {
  sampler_.check(state);
  stop();
  state_ = state;
  epoch_ended_ = false;
}

std::optional<Batch> Loader::next() {
  if (std::exchange(epoch_ended_, false)) return std::nullopt;
  Batch batch = workers_ == 0 ? dataset_->batch(sampler_.batch(state_)) : take();
  const SamplerState after = sampler_.after(state_);
  epoch_ended_ = after.epoch != state_.epoch;
  state_ = after;
  return batch;
}

Batch Loader::take() {
  if (threads_.empty()) start();
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[taken_ % slots_.size()];
  ready_.wait(lock, [&] { return slot.ready; });
  if (slot.error) std::rethrow_exception(slot.error);  // stays: the loader goes no further than a broken batch
  Batch batch = std::move(slot.batch);
  slot = {};
  ++taken_;
  lock.unlock();
  room_.notify_one();
  return batch;
}

void Loader::start() {
  claim_ = state_;
  claimed_ = taken_ = 0;
  stopping_ = false;
  for (Slot& slot : slots_) slot = {};
  for (int i = 0; i < workers_; ++i) threads_.emplace_back([this] { work(); });
}

void Loader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock, [&] { return stopping_ || claimed_ - taken_ < slots_.size(); });
    if (stopping_) return;
    Slot& slot = slots_[claimed_++ % slots_.size()];
    const SamplerState state = std::exchange(claim_, sampler_.after(claim_));
    lock.unlock();
    Batch batch;
    std::exception_ptr error;
    try {
      batch = dataset_->batch(sampler_.batch(state));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    slot.batch = std::move(batch);
    slot.error = error;
    slot.ready = true;
    ready_.notify_one();
  }
}

}  // namespace weft::data
