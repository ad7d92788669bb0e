// A lesson of the lecture notes' chapter on convolution nets: prints the shapes of a net's layers for one image, then
// trains it on Fashion-MNIST.
#pragma once

#include <cstdio>
#include <memory>

#include "examples/fashion_mnist.h"
#include "examples/figures.h"
#include "models/registry.h"
#include "nn/summary.h"

namespace weft::examples {

struct Lesson {
  const char* about;  // one line
  const char* model;
  Training training;
  double parameters = 0;
  double accuracy = 0;  // on the test images after the lecture notes' epochs, at least
};

inline int teach(const Lesson& lesson, int argc, char** argv) {
  return run(argc, argv, lesson.about, [&](const Settings& settings) {
    const std::unique_ptr<nn::Module> net = models::make_model(lesson.model);
    Shape image = models::input_shape(lesson.model);
    image.insert(0, 1);
    std::printf("%s\n", to_string(nn::summarize(*net, image)).c_str());
    const train::MetricsRow last = train_on_fashion_mnist(*net, lesson.training, settings);

    Figures figures(settings.whole());
    figures.expect("parameters", static_cast<double>(net->parameter_count()), lesson.parameters, lesson.parameters);
    figures.reached("test accuracy", *last.val_top1, lesson.accuracy, 1);
    return figures.exit_code();
  });
}

}  // namespace weft::examples
