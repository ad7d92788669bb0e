#include "tools/photos.h"

#include "tests/catch.h"

using namespace weft;
using namespace weft::cli;
using data::ResizeFilter;

TEST_CASE("photos are resized, cut and normalised as a model's weights were trained") {
  Flags flags("predict", "test");
  const PhotoFlags photos(flags);
  const auto recipe = [&](const char* model, std::int64_t size, bool own_run = false) {
    return photos.preprocessing(model, {3, size, size}, own_run);
  };
  // timm's configurations: a crop of 0.875 and of 0.8975, cubic interpolation, mean and deviation 1/2.
  for (const auto& [model, resize] : {std::pair("inception_v4", 341), {"inception_resnet_v2", 333}}) {
    INFO(model);
    const data::Preprocessing wanted = recipe(model, 299);
    CHECK(wanted.filter == ResizeFilter::cubic);
    CHECK(wanted.resize == resize);
    CHECK(wanted.crop == 299);
    CHECK(wanted.mean[1] == 0.5f);
    CHECK(wanted.std[2] == 0.5f);
  }
  const data::Preprocessing resnet = recipe("resnet50", 224);
  CHECK(resnet.filter == ResizeFilter::triangle);
  CHECK(resnet.resize == 256);
  CHECK(resnet.mean[0] == 0.485f);
  CHECK(recipe("resnet50", 112).resize == 128);
  CHECK(recipe("inception_v3", 299).resize == 342);
  // weft's own runs saw whole images in [0, 1].
  const data::Preprocessing own = recipe("inception_v4", 299, true);
  CHECK(own.resize == 0);
  CHECK(own.filter == ResizeFilter::triangle);
  CHECK(own.std[0] == 1);
}
