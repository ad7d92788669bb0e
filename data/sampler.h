// Sampler: the order in which samples are visited, as a pure function (epoch, position) -> sample. A shuffled epoch
// is a Feistel permutation keyed by (seed, epoch): no list is kept, and the whole state of a run is two numbers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/export.h"
#include "core/random.h"

namespace weft::data {

// A pseudo-random bijection of [0, n). Position x = right * L + left on a grid of L * R >= n cells; each round adds a
// hash of one coordinate to the other (Luby and Rackoff 1988, "How to construct pseudorandom permutations"); a result
// outside [0, n) goes through again, which stays a bijection of [0, n) and happens rarely as L * R - n < L.
class WEFT_API Permutation {
 public:
  Permutation(std::int64_t n, RandomStream stream);  // n >= 1
  std::int64_t operator()(std::int64_t position) const;

 private:
  static constexpr int kRounds = 8;
  std::uint64_t n_, left_, right_;
  std::array<std::uint64_t, kRounds> keys_;
};

// Where a run stands: `position` samples of `epoch` have been handed out. What a checkpoint keeps.
struct SamplerState {
  std::int64_t epoch = 0;
  std::int64_t position = 0;
  friend bool operator==(const SamplerState&, const SamplerState&) = default;
};

struct SamplerOptions {
  std::int64_t samples = 0;
  std::int64_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;  // leave out the last batch of an epoch when it is short
  std::uint64_t seed = 0;
};

class WEFT_API Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  std::int64_t batches() const { return batches_; }        // of an epoch
  std::int64_t epoch_samples() const { return samples_; }  // handed out in an epoch
  const SamplerOptions& options() const { return options_; }
  // The samples of the batch that starts at state, in order.
  std::vector<std::int64_t> batch(SamplerState state) const;
  // The state after that batch; the end of an epoch is the beginning of the next.
  SamplerState after(SamplerState state) const;
  // Throws Error(data) for a state that this sampler never reaches (a checkpoint of another run).
  void check(SamplerState state) const;

 private:
  SamplerOptions options_;
  std::int64_t batches_ = 0, samples_ = 0;
};

}  // namespace weft::data
