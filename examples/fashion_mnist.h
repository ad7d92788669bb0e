// How the lecture notes train on Fashion-MNIST: SGD on the mean cross-entropy, by default in batches of 256 for 10
// epochs.
#pragma once

#include <cstdint>
#include <string>

#include "core/generator.h"
#include "data/registry.h"
#include "examples/settings.h"
#include "optim/optim.h"
#include "train/trainer.h"

namespace weft::examples {

struct Training {
  double lr = 0.1;
  std::int64_t batch = 256;
  int image_size = 0;  // images are resized to squares of this size; 0: 28, as they are
  std::int64_t epochs = 10;
};

// Trains the net and returns what the last epoch brought: running means over its training batches, and test figures.
inline train::MetricsRow train_on_fashion_mnist(nn::Module& net, Training how, const Settings& settings) {
  const auto open = [&](data::Split split) {
    return data::open(
        "fashion-mnist",
        {.split = split, .dir = settings.folder, .samples = settings.samples, .image_size = how.image_size});
  };
  if (settings.epochs > 0) how.epochs = settings.epochs;
  data::Loader training(open(data::Split::train), {.batch_size = how.batch, .shuffle = true});
  data::Loader test(open(data::Split::val), {.batch_size = how.image_size > 0 ? how.batch : 1000});
  optim::SGD optimizer(net.parameters(), {.lr = how.lr});
  const optim::SchedulePointer schedule = optim::constant();
  train::Trainer trainer({.net = net,
                          .optimizer = optimizer,
                          .schedule = *schedule,
                          .data = training,
                          .validation = [&]() -> data::Loader& { return test; }},
                         {.epochs = how.epochs, .log_interval = training.batches() + 1});
  return *trainer.run().last_epoch;
}

}  // namespace weft::examples
