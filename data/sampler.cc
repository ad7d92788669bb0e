#include "data/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace weft::data {
namespace {

// A hash of 64 bits whose upper half is well mixed (the finalizer of SplitMix64: Steele, Lea, Flood 2014).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// coordinate + hash modulo size, for size <= 2^32.
std::uint64_t turn(std::uint64_t coordinate, std::uint64_t hash, std::uint64_t size) {
  const std::uint64_t sum = coordinate + ((hash >> 32) * size >> 32);
  return sum >= size ? sum - size : sum;
}

}  // namespace

Permutation::Permutation(std::int64_t n, RandomStream stream) : n_(static_cast<std::uint64_t>(n)) {
  require(n >= 1 && n <= std::int64_t{1} << 62, "permutation", "needs 1 to 2^62 elements, got ", n);
  left_ = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
  while (left_ * left_ < n_) ++left_;
  right_ = (n_ + left_ - 1) / left_;
  for (int round = 0; round < kRounds; ++round) {
    const Philox4 words = random_block(stream, static_cast<std::uint64_t>(round));
    keys_[static_cast<std::size_t>(round)] = std::uint64_t{words.word[0]} << 32 | words.word[1];
  }
}

std::int64_t Permutation::operator()(std::int64_t position) const {
  require(position >= 0 && static_cast<std::uint64_t>(position) < n_, "permutation", "position must be in [0, ", n_,
          "), got ", position);
  auto x = static_cast<std::uint64_t>(position);
  do {
    std::uint64_t left = x % left_, right = x / left_;
    for (std::size_t round = 0; round < kRounds; round += 2) {
      left = turn(left, mix(right + keys_[round]), left_);
      right = turn(right, mix(left + keys_[round + 1]), right_);
    }
    x = right * left_ + left;
  } while (x >= n_);
  return static_cast<std::int64_t>(x);
}

Sampler::Sampler(const SamplerOptions& options) : options_(options) {
  require(options.samples >= 1, "sampler", "the data set is empty");
  require(options.batch_size >= 1, "sampler", "batch size must be at least 1, got ", options.batch_size);
  const std::int64_t whole = options.samples / options.batch_size;
  require(whole >= 1 || !options.drop_last, "sampler", "dropping the short last batch leaves none: ", options.samples,
          " samples, batch size ", options.batch_size);
  const bool has_short = options.samples % options.batch_size != 0 && !options.drop_last;
  batches_ = whole + (has_short ? 1 : 0);
  samples_ = options.drop_last ? whole * options.batch_size : options.samples;
}

std::vector<std::int64_t> Sampler::batch(SamplerState state) const {
  check(state);
  const std::int64_t end = std::min(state.position + options_.batch_size, samples_);
  std::vector<std::int64_t> indices;
  indices.reserve(static_cast<std::size_t>(end - state.position));
  if (!options_.shuffle) {
    for (std::int64_t i = state.position; i < end; ++i) indices.push_back(i);
    return indices;
  }
  const auto epoch = static_cast<std::uint64_t>(state.epoch);
  const Permutation order(options_.samples, {options_.seed, stream_number(RandomPurpose::order, epoch)});
  for (std::int64_t i = state.position; i < end; ++i) indices.push_back(order(i));
  return indices;
}

SamplerState Sampler::after(SamplerState state) const {
  const std::int64_t end = std::min(state.position + options_.batch_size, samples_);
  return end == samples_ ? SamplerState{state.epoch + 1, 0} : SamplerState{state.epoch, end};
}

void Sampler::check(SamplerState state) const {
  require_data(
      state.epoch >= 0 && state.position >= 0 && state.position < samples_ && state.position % options_.batch_size == 0,
      "sampler", "expected an epoch >= 0 and a position below ", samples_, " that is a multiple of ",
      options_.batch_size, ", got epoch ", state.epoch, ", position ", state.position);
}

}  // namespace weft::data
