#include "tools/photos.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "core/ops/concat.h"
#include "data/resize.h"

namespace weft::cli {
namespace {

struct Recipe {
  int resize, crop;
  float mean[3], std[3];
  data::ResizeFilter filter = data::ResizeFilter::triangle;
};
// What torchvision's first ImageNet weights were trained with; newer ones ("V2") want --resize 232.
constexpr Recipe kImageNet = {256, 224, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
// torchvision's nets that come from TensorFlow normalise a second time, to mean and deviation 1/2 (transform_input);
// these are the same inputs in one step.
constexpr Recipe kHalves = {256, 224, {.5f, .5f, .5f}, {.5f, .5f, .5f}};
constexpr Recipe kInception3 = {342, 299, {.5f, .5f, .5f}, {.5f, .5f, .5f}};
// timm's: crops of 0.875 and 0.8975 of the side, resized by cubic interpolation.
constexpr Recipe kInception4 = {341, 299, {.5f, .5f, .5f}, {.5f, .5f, .5f}, data::ResizeFilter::cubic};
constexpr Recipe kInceptionResNet2 = {333, 299, {.5f, .5f, .5f}, {.5f, .5f, .5f}, data::ResizeFilter::cubic};

struct ModelRecipe {
  std::string_view model;
  const Recipe& recipe;
};
constexpr ModelRecipe kModels[] = {
    {"alexnet", kImageNet},
    {"alexnet_paper", kImageNet},
    {"vgg11", kImageNet},
    {"vgg13", kImageNet},
    {"vgg16", kImageNet},
    {"vgg19", kImageNet},
    {"vgg11_bn", kImageNet},
    {"vgg13_bn", kImageNet},
    {"vgg16_bn", kImageNet},
    {"vgg19_bn", kImageNet},
    {"nin", kImageNet},
    {"inception_bn", kImageNet},
    {"googlenet", kHalves},
    {"googlenet_paper", kImageNet},
    {"inception_v3", kInception3},
    {"resnet18", kImageNet},
    {"resnet34", kImageNet},
    {"resnet50", kImageNet},
    {"resnet101", kImageNet},
    {"resnet152", kImageNet},
    {"resnext50_32x4d", kImageNet},
    {"wide_resnet50_2", kImageNet},
    {"densenet121", kImageNet},
    {"densenet161", kImageNet},
    {"densenet169", kImageNet},
    {"densenet201", kImageNet},
    {"inception_v4", kInception4},
    {"inception_resnet_v2", kInceptionResNet2},
};

const Recipe* recipe_of(std::string_view model) {
  const auto found = std::ranges::find(kModels, model, &ModelRecipe::model);
  return found == std::end(kModels) ? nullptr : &found->recipe;
}

}  // namespace

PhotoFlags::PhotoFlags(Flags& flags) {
  flags.positionals("PHOTO", files_, "JPEG or PNG files");
  flags.text("--preprocess", recipe_, "of photos: imagenet or whole (in [0, 1]); default: as the model's weights want");
  flags.whole("--resize", resize_, "shorter side of photos before the crop; 0: as the model's weights want", 0,
              data::kLargestImage);
}

data::Preprocessing PhotoFlags::preprocessing(const std::string& model, const Shape& input, bool own_run) const {
  require(input.rank() == 3 && input[1] == input[2] && (input[0] == 3 || input[0] == 1), "predict", "model ", model,
          " takes samples of shape ", input, ", which no photo can become");
  require(recipe_.empty() || recipe_ == "imagenet" || recipe_ == "whole", "--preprocess",
          "needs imagenet or whole, got '", recipe_, "'");
  require(input[1] <= data::kLargestImage, "predict", "photos become at most ", data::kLargestImage, " pixels wide");
  data::Preprocessing wanted{.resize = 0, .crop = static_cast<int>(input[1]), .grey = input[0] == 1};
  const Recipe* recipe = own_run ? nullptr : recipe_of(model);
  if (recipe_ == "whole") recipe = nullptr;
  if (recipe_ == "imagenet" && recipe == nullptr) recipe = &kImageNet;
  if (recipe != nullptr) {
    wanted.resize = static_cast<int>(std::lround(static_cast<double>(recipe->resize) * wanted.crop / recipe->crop));
    std::ranges::copy(recipe->mean, wanted.mean);
    std::ranges::copy(recipe->std, wanted.std);
    wanted.filter = recipe->filter;
  }
  if (resize_ > 0) wanted.resize = static_cast<int>(resize_);
  require(wanted.resize == 0 || wanted.resize >= wanted.crop, "--resize", "cannot cut ", wanted.crop, " out of ",
          wanted.resize);
  return wanted;
}

Tensor read_photos(std::span<const std::string> files, const data::Preprocessing& wanted) {
  Tensors photos;
  for (const std::string& file : files) {
    const Tensor pixels = data::read_image(file);
    try {
      photos.push_back(preprocess(pixels, wanted).unsqueeze(0));
    } catch (const Error& error) {  // which knows the pixels only
      if (error.kind() != ErrorKind::data) throw;
      fail(ErrorKind::data, file, error.what());
    }
  }
  return concat(photos, 0);
}

}  // namespace weft::cli
