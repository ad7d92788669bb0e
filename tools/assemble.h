// From a Config to the parts of a run: net, data, optimizer, schedule, objective. What `weft train`, eval, predict and
// bench share; it checks that the parts fit each other before anything is written.
#pragma once

#include <memory>

#include "data/registry.h"
#include "models/registry.h"
#include "models/weights.h"
#include "optim/optim.h"
#include "train/config.h"
#include "train/trainer.h"

namespace weft::cli {

Device device_of(const train::Config& config);
// Applies --threads, --seed and --tf32 to the process, and checks that the device is there.
void prepare_process(const train::Config& config);

// The model's options with what the data says filled in; no data (an empty name): the model's own.
models::ModelOptions model_options(const train::Config& config);
// Built, started from the seed or from --pretrained, on the device. A net that is to be trained may replace the head.
std::unique_ptr<nn::Module> make_net(const train::Config& config, models::Head head = models::Head::must_fit);
data::DatasetPtr open_data(const train::Config& config, data::Split split);
std::unique_ptr<data::Loader> make_loader(const train::Config& config, data::Split split);
std::unique_ptr<optim::Optimizer> make_optimizer(const train::Config& config, nn::Module& net);
optim::SchedulePointer make_schedule(const train::Config& config);
train::Objective make_objective(const train::Config& config);
std::optional<DType> amp_of(const train::Config& config);  // --amp, --amp-dtype
train::TrainerOptions trainer_options(const train::Config& config);

}  // namespace weft::cli
