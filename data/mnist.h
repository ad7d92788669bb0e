// MNIST and Fashion-MNIST: four gzipped idx files each, found on disk or downloaded and checked.
#pragma once

#include <array>
#include <span>
#include <string>

#include "data/registry.h"

namespace weft::data {

// One of the data sets in MNIST's format: where its files come from, and what they must be.
struct MnistFamily {
  const char* name;  // also of its folder
  const char* about;
  const char* address;  // of the folder with the gzipped files
  std::array<const char*, 10> class_names;
  struct File {
    const char* name;    // without ".gz"
    const char* sha256;  // of the gzipped file
  };
  File train_images, train_labels, val_images, val_labels;
};

WEFT_API std::span<const MnistFamily> mnist_families();
WEFT_API Facts mnist_facts(const MnistFamily& family);
WEFT_API DatasetPtr open_mnist(const MnistFamily& family, const OpenOptions& options);

}  // namespace weft::data
