#include "tools/assemble.h"

#include <charconv>

#include "core/generator.h"
#include "core/numerics.h"
#include "core/parallel.h"
#include "core/runtime/runtime.h"
#include "core/weights.h"

namespace weft::cli {
namespace {

// Batches to validate with need no gradients: more of them fit at once, and the figures do not depend on the size.
constexpr std::int64_t kValidationBatch = 1000;

data::DatasetPtr on_device(const train::Config& config, const data::Dataset& dataset) {
  const auto* const images = dynamic_cast<const data::ImageSet*>(&dataset);
  require(images, "--data-on-device", "data ", config.data, " has no images held in memory");
  return std::make_shared<const data::DeviceImageSet>(*images, device_of(config));
}

}  // namespace

Device device_of(const train::Config& config) { return parse_device(config.device); }

void prepare_process(const train::Config& config) {
  const Device device = device_of(config);
  const int devices = runtime(device.kind).devices();
  require(device.index < devices, "--device", "there is no ", device, "; this machine has ", devices, " of its kind");
  if (config.threads > 0) set_threads(static_cast<int>(config.threads));
  manual_seed(static_cast<std::uint64_t>(config.seed));
  Numerics allowed = numerics();
  allowed.tf32 = config.tf32;
  set_numerics(allowed);
}

models::ModelOptions model_options(const train::Config& config) {
  models::ModelOptions options{.in_channels = config.in_chans,
                               .image_size = config.img_size,
                               .classes = config.num_classes,
                               .hidden = config.hidden,
                               .dropout = config.drop,
                               .activation = config.act,
                               .pool = config.pool,
                               .auxiliary = config.auxiliary,
                               .moving_variance = config.moving_variance,
                               .init = config.init};
  options.memory_format = config.memory_format == "contiguous" ? MemoryFormat::contiguous : MemoryFormat::channels_last;
  const bool regression = models::find_model(config.model).regression;
  if (config.data.empty()) return options;

  const data::Facts& facts = data::facts(config.data);
  require(regression == (facts.classes == 0), "train", "model ", config.model, " is for ",
          regression ? "regression" : "classification", ", but data ", config.data, " has ",
          facts.classes == 0 ? "numbers" : "classes", " as targets");
  require(options.classes == 0 || config.data == "synthetic" || options.classes >= facts.classes, "--num-classes",
          "must be at least ", facts.classes, ", the classes of data ", config.data, "; got ", options.classes);
  if (options.in_channels == 0) options.in_channels = facts.input[0];
  if (options.image_size == 0 && facts.input.rank() == 3) options.image_size = facts.input[1];
  if (options.classes == 0) options.classes = facts.classes > 0 ? facts.classes : facts.outputs;
  return options;
}

std::unique_ptr<nn::Module> make_net(const train::Config& config, models::Head head) {
  const models::ModelOptions options = models::complete_options(config.model, model_options(config));
  std::unique_ptr<nn::Module> net = models::make_model(config.model, options);
  if (!config.pretrained.empty())
    models::load_weights(*net, read_weights(config.pretrained), config.pretrained, options.classes, head);
  if (const Device device = device_of(config); device != Device{}) net->to(device);
  return net;
}

data::DatasetPtr open_data(const train::Config& config, data::Split split) {
  const data::Facts& facts = data::facts(config.data);
  data::OpenOptions options{.split = split,
                            .dir = config.data_dir,
                            .seed = static_cast<std::uint64_t>(config.seed),
                            .image_size = static_cast<int>(config.img_size)};
  if (split == data::Split::train)
    options.samples = config.samples;
  else if (facts.drawn)
    options.samples = config.samples * facts.val_samples / facts.train_samples;
  if (config.data == "synthetic") {
    const models::ModelOptions model = model_options(config);
    options.input = {model.in_channels, model.image_size, model.image_size};
    options.classes = static_cast<int>(model.classes);
    options.image_size = 0;
  }
  if (facts.input.rank() != 3) require(config.img_size == 0, "--img-size", "data ", config.data, " has no images");
  return data::open(config.data, options);
}

std::unique_ptr<data::Loader> make_loader(const train::Config& config, data::Split split) {
  const bool training = split == data::Split::train;
  data::DatasetPtr dataset = open_data(config, split);
  if (config.data_on_device) dataset = on_device(config, *dataset);
  const std::int64_t workers = config.data_on_device ? 0 : config.workers;
  return std::make_unique<data::Loader>(
      std::move(dataset), data::LoaderOptions{.batch_size = training ? config.batch_size : kValidationBatch,
                                              .shuffle = training,
                                              .seed = static_cast<std::uint64_t>(config.seed),
                                              .workers = static_cast<int>(workers)});
}

std::unique_ptr<optim::Optimizer> make_optimizer(const train::Config& config, nn::Module& net) {
  return optim::make_optimizer({.name = config.opt,
                                .lr = config.lr,
                                .momentum = config.momentum,
                                .nesterov = config.nesterov,
                                .weight_decay = config.weight_decay},
                               {{.parameters = net.parameters()}});
}

optim::SchedulePointer make_schedule(const train::Config& config) {
  const double lr = config.lr > 0 ? config.lr : 1;
  return optim::make_schedule({.name = config.sched,
                               .total = static_cast<double>(config.epochs),
                               .every = config.decay_epochs,
                               .gamma = config.decay_rate,
                               .milestones = config.decay_milestones,
                               .power = config.power,
                               .final_factor = config.min_lr / lr,
                               .warmup = config.warmup_epochs,
                               .warmup_factor = config.warmup_lr / lr,
                               .patience = static_cast<int>(config.patience_epochs)});
}

train::Objective make_objective(const train::Config& config) {
  if (models::find_model(config.model).regression) {
    require(config.smoothing == 0, "--smoothing", "model ", config.model, " has no classes");
    return train::regression_objective();
  }
  return train::classification_objective(config.smoothing);
}

namespace {

// "20:30", or nothing.
train::StepRange step_range(const std::string& text) {
  if (text.empty()) return {};
  train::StepRange range;
  const char* const end = text.data() + text.size();
  const auto [colon, first_error] = std::from_chars(text.data(), end, range.first);
  const bool divided = first_error == std::errc() && colon != end && *colon == ':';
  const auto [stop, last_error] = std::from_chars(divided ? colon + 1 : end, end, range.last);
  require(divided && last_error == std::errc() && stop == end && range.first >= 1 && range.last >= range.first,
          "--profile-steps", "needs FIRST:LAST, steps counted from 1, as in 20:30; got '", text, "'");
  return range;
}

}  // namespace

std::optional<DType> amp_of(const train::Config& config) {
  if (!config.amp) return {};
  return config.amp_dtype == "bfloat16" ? DType::bf16 : DType::f16;
}

train::TrainerOptions trainer_options(const train::Config& config) {
  return {.epochs = config.epochs,
          .steps = config.steps,
          .clip_norm = config.clip_mode == "norm" ? config.clip_grad : 0,
          .clip_value = config.clip_mode == "value" ? config.clip_grad : 0,
          .device = device_of(config),
          .amp = amp_of(config),
          .capture = config.capture,
          .profile = step_range(config.profile_steps),
          .log_interval = config.log_interval,
          .checkpoint_every = config.checkpoint_every,
          .checkpoint_keep = config.checkpoint_keep};
}

}  // namespace weft::cli
