// How the lecture notes train on Fashion-MNIST: SGD on the mean cross-entropy, batches of 256, 10 epochs.
#pragma once

#include <string>

#include "core/generator.h"
#include "data/registry.h"
#include "optim/optim.h"
#include "train/trainer.h"

namespace weft::examples {

// The folder of the data, as the only argument of an example; else WEFT_DATA_DIR or the cache.
inline std::string data_folder(int argc, char** argv) { return argc > 1 ? argv[1] : ""; }

// Trains the net and returns what the last epoch brought: running means over its training batches, and test figures.
inline train::MetricsRow train_on_fashion_mnist(nn::Module& net, double lr, const std::string& folder) {
  const auto open = [&](data::Split split) { return data::open("fashion-mnist", {.split = split, .dir = folder}); };
  data::Loader training(open(data::Split::train), {.batch_size = 256, .shuffle = true});
  data::Loader test(open(data::Split::val), {.batch_size = 1000});
  optim::SGD optimizer(net.parameters(), {.lr = lr});
  const optim::SchedulePointer schedule = optim::constant();
  train::Trainer trainer({.net = net,
                          .optimizer = optimizer,
                          .schedule = *schedule,
                          .data = training,
                          .validation = [&]() -> data::Loader& { return test; }},
                         {.epochs = 10, .log_interval = 235});
  return *trainer.run().last_epoch;
}

}  // namespace weft::examples
