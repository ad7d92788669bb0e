// The table of settings: groups in the order of --help and of the saved file.
#include <vector>

#include "train/config.h"

namespace weft::train {
namespace {

using C = Config;

constexpr double kMany = 2147483647;  // where a number ends up in an int

std::vector<Setting> model_settings() {
  return {
      {"Model", "model", &C::model, "name of the net (see: weft models)", {.fixed = true}},
      {"Model", "hidden", &C::hidden, "hidden sizes, as in 256,128", {.low = 1, .high = 1 << 20, .fixed = true}},
      {"Model", "drop", &C::drop, "dropout: one for all, or one per hidden layer", {.high = 1}},
      {"Model", "act", &C::act, "activation, as in relu", {.fixed = true}},
      {"Model", "pool", &C::pool, "avg or max", {.fixed = true}},
      {"Model",
       "auxiliary",
       &C::auxiliary,
       "heads that only training sees (GoogLeNet, Inception v3): on or off",
       {.fixed = true}},
      {"Model", "moving-variance", &C::moving_variance, "of batch norm: biased or unbiased", {.fixed = true}},
      {"Model", "init", &C::init, "initial values, as in xavier-uniform"},
      {"Model", "num-classes", &C::num_classes, "outputs; 0: as the data has", {.high = 1 << 24, .fixed = true}},
      {"Model", "in-chans", &C::in_chans, "image channels; 0: as the data has", {.high = 4096, .fixed = true}},
      {"Model", "img-size", &C::img_size, "height and width; 0: as the data has", {.high = 16384, .fixed = true}},
      {"Model", "pretrained", &C::pretrained, "safetensors or .pth file to start from"},
      {"Model",
       "memory-format",
       &C::memory_format,
       "of images inside the net",
       {.choices = {"channels_last", "contiguous"}, .fixed = true}},
  };
}

std::vector<Setting> data_settings() {
  return {
      {"Data", "data", &C::data, "name of the data set (see: weft data)", {.fixed = true}},
      {"Data", "data-dir", &C::data_dir, "folder of the data; default WEFT_DATA_DIR, then the cache"},
      {"Data", "samples", &C::samples, "training samples; 0: as the data has", {.high = kMany, .fixed = true}},
      {"Data", "workers", &C::workers, "threads that prepare batches", {.high = 256}},
      {"Data", "data-on-device", &C::data_on_device, "keep all images on the device, resized once; same bits"},
      {"Data",
       "batch-size",
       &C::batch_size,
       "samples a step",
       {.low = 1, .high = 1 << 20, .fixed = true, .short_flag = "-b"}},
  };
}

std::vector<Setting> optimization_settings() {
  const std::vector<std::string> schedules = {"constant",   "step",         "multistep", "exponential", "cosine",
                                              "polynomial", "inverse-sqrt", "one-cycle", "plateau"};
  const char* const group = "Optimization";
  return {
      {group, "opt", &C::opt, "optimizer", {.choices = {"sgd", "adam", "adamw"}, .fixed = true}},
      {group, "lr", &C::lr, "learning rate"},
      {group, "momentum", &C::momentum, "of SGD", {.high = 1}},
      {group, "nesterov", &C::nesterov, "Nesterov's momentum in SGD"},
      {group, "weight-decay", &C::weight_decay, "L2 penalty"},
      {group, "clip-grad", &C::clip_grad, "largest gradient; 0: any"},
      {group, "clip-mode", &C::clip_mode, "what --clip-grad bounds", {.choices = {"norm", "value"}}},
      {group, "smoothing", &C::smoothing, "label smoothing", {.high = 1}},
      {group, "sched", &C::sched, "schedule of the learning rate", {.choices = schedules, .fixed = true}},
      {group, "warmup-epochs", &C::warmup_epochs, "epochs of linear growth from --warmup-lr"},
      {group, "warmup-lr", &C::warmup_lr, "learning rate to start from"},
      {group, "min-lr", &C::min_lr, "learning rate at the end of cosine and polynomial"},
      {group, "decay-rate", &C::decay_rate, "factor of step, multistep, exponential, plateau", {.high = 1}},
      {group, "power", &C::power, "of polynomial"},
      {group, "decay-epochs", &C::decay_epochs, "interval of step", {.low = 1e-6}},
      {group, "decay-milestones", &C::decay_milestones, "epochs of multistep, as in 30,60"},
      {group, "patience-epochs", &C::patience_epochs, "epochs without progress before plateau", {.high = kMany}},
  };
}

std::vector<Setting> run_settings() {
  constexpr double kMostSteps = 1e15, kMostThreads = 1024, kMostSeed = 0x1p62;
  return {
      {"Run", "epochs", &C::epochs, "passes over the data", {.high = kMany}},
      {"Run", "steps", &C::steps, "stop after this many steps; 0: no limit", {.high = kMostSteps}},
      {"Run", "device", &C::device, "cpu, cuda, cuda:1 or emulated"},
      {"Run", "amp", &C::amp, "mixed precision: 16-bit matrix products and convolutions", {.fixed = true}},
      {"Run", "amp-dtype", &C::amp_dtype, "its type", {.choices = {"float16", "bfloat16"}, .fixed = true}},
      {"Run", "capture", &C::capture, "record a step as a CUDA graph and replay it"},
      {"Run", "tf32", &C::tf32, "let tensor cores round f32 to TF32", {.fixed = true}},
      {"Run", "profile-steps", &C::profile_steps, "steps that a CUDA profiler collects, as in 20:30"},
      {"Run", "threads", &C::threads, "CPU threads; 0: all", {.high = kMostThreads}},
      {"Run", "seed", &C::seed, "of weights, order and dropout", {.high = kMostSeed, .fixed = true}},
      {"Run", "output", &C::output, "run folder; without it nothing is saved"},
      {"Run", "log-interval", &C::log_interval, "steps between log lines", {.low = 1, .high = kMany}},
      {"Run",
       "checkpoint-every",
       &C::checkpoint_every,
       "steps between checkpoints; 0: only after each epoch",
       {.high = kMostSteps}},
      {"Run", "checkpoint-keep", &C::checkpoint_keep, "checkpoints to keep", {.low = 1, .high = kMany}},
  };
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> table = [] {
    std::vector<Setting> all;
    for (const auto& part : {model_settings(), data_settings(), optimization_settings(), run_settings()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return table;
}

}  // namespace weft::train
