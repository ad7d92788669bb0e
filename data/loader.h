// Loader: batches of a data set, assembled ahead of time by worker threads. The sequence of batches depends on the
// sampler options alone, never on the number of workers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "data/dataset.h"
#include "data/sampler.h"

namespace weft::data {

struct LoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;  // leave out the last batch of an epoch when it is short
  std::uint64_t seed = 0;  // of the order
  int workers = 1;         // threads that assemble batches; 0: next() does it itself
  int prefetch = 2;        // batches kept ready per worker
};

class WEFT_API Loader {
 public:
  Loader(DatasetPtr dataset, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch; nothing once at the end of each epoch (the call after that begins the next). Throws what the data
  // set threw for this batch. For one thread.
  std::optional<Batch> next();

  std::int64_t batches() const { return sampler_.batches(); }  // of an epoch
  std::int64_t epoch_samples() const { return sampler_.epoch_samples(); }
  const Dataset& dataset() const { return *dataset_; }
  // Where the next batch starts. A loader that is given this state goes on with the same batches.
  SamplerState state() const { return state_; }
  void seek(SamplerState state);

 private:
  struct Slot {
    bool ready = false;
    Batch batch;
    std::exception_ptr error;
  };

  void start();
  void stop();
  void work();
  Batch take();

  DatasetPtr dataset_;
  Sampler sampler_;
  int workers_;
  SamplerState state_;        // of the next batch that next() gives
  bool epoch_ended_ = false;  // the end of an epoch is still to be told

  // Shared with the workers, under mutex_. Batch number t since start() goes through slot t % slots.
  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::vector<Slot> slots_;
  std::uint64_t claimed_ = 0, taken_ = 0;
  SamplerState claim_;  // of the next batch a worker takes on
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weft::data
