#include "data/synthetic.h"

#include "core/parallel.h"
#include "core/random.h"
#include "data/shapes.h"

namespace weft::data {
namespace {

// The validation split of a drawn set starts here, out of reach of any training split.
constexpr std::int64_t kValidationBegin = std::int64_t{1} << 40;

std::int64_t first_sample(const OpenOptions& options) { return options.split == Split::train ? 0 : kValidationBegin; }

std::int64_t wanted_samples(const Facts& facts, const OpenOptions& options) {
  if (options.samples > 0) return options.samples;
  return options.split == Split::train ? facts.train_samples : facts.val_samples;
}

RandomStream stream_of(std::uint64_t seed, std::uint64_t number) {
  return {seed, stream_number(RandomPurpose::synthetic, number)};
}

}  // namespace

const Facts& synthetic_facts() {
  static const Facts facts = {.name = "synthetic",
                              .about = "random bytes of any shape, for benchmarks; nothing to learn",
                              .input = {1, 28, 28},
                              .classes = 10,
                              .train_samples = 2560,
                              .val_samples = 512,
                              .drawn = true};
  return facts;
}

DatasetPtr open_synthetic(const OpenOptions& options) {
  const Facts& facts = synthetic_facts();
  Shape image = options.input.rank() == 0 ? facts.input : options.input;
  require(image.rank() == 3, "synthetic", "the shape must be (channels, height, width), got ", image);
  if (options.image_size > 0) image = {image[0], options.image_size, options.image_size};
  const std::int64_t n = wanted_samples(facts, options);
  const int classes = options.classes > 0 ? options.classes : facts.classes;
  const Tensor images = empty({n, image[0], image[1], image[2]}, {.dtype = DType::u8});
  const Tensor labels = empty({n}, {.dtype = DType::i64});
  const bool train = options.split == Split::train;
  const RandomStream pixels = stream_of(options.seed, train ? 0 : 2), choice = stream_of(options.seed, train ? 1 : 3);
  const std::span<std::uint8_t> bytes = images.values<std::uint8_t>();
  parallel_for(static_cast<std::int64_t>(bytes.size()), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += 16) {  // ranges start at multiples of 16, the bytes of a block
      const Philox4 block = random_block(pixels, static_cast<std::uint64_t>(i) / 16);
      for (std::int64_t k = i; k < std::min(i + 16, end); ++k) {
        bytes[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(block.word[k % 16 / 4] >> (8 * (k % 4)));
      }
    }
  });
  const std::span<std::int64_t> targets = labels.values<std::int64_t>();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    targets[i] = below_from(random_word(choice, i), static_cast<std::uint32_t>(classes));
  }
  return std::make_shared<const ImageSet>(images, labels);
}

const Facts& shapes_facts() {
  static const Facts facts = {.name = "shapes",
                              .about = "ten figures drawn by weft at random places, sizes and angles, over clutter",
                              .input = {1, kShapesSize, kShapesSize},
                              .classes = kShapesClasses,
                              .class_names = {kShapesNames.begin(), kShapesNames.end()},
                              .train_samples = 60000,
                              .val_samples = 10000,
                              .drawn = true};
  return facts;
}

DatasetPtr open_shapes(const OpenOptions& options) {
  return shapes(options.seed, first_sample(options), wanted_samples(shapes_facts(), options), options.image_size);
}

}  // namespace weft::data
