// weft train: a run from flags and a TOML file, into a run folder.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "core/file.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "train/run_folder.h"

namespace weft::cli {
namespace {

constexpr int kStoppedWithCheckpoint = 75;  // EX_TEMPFAIL: a batch system starts the job again
constexpr int kFirstSignalExit = 128;

struct Request {
  train::Config config;
  train::OnExistingRun on_existing = train::OnExistingRun::refuse;
  train::LogStyle log = train::LogStyle::automatic;
};

// Defaults < --config, or the run's own config when it is resumed < flags. None when --help was asked for.
std::optional<Request> read_request(Arguments arguments) {
  Flags flags("train", "train a net; Ctrl-C saves a checkpoint and ends, --resume goes on");
  std::string config_file;
  bool resume = false, overwrite = false, quiet = false, json = false;
  flags.settings([](const train::Setting&) { return true; });
  flags.group("Run");
  flags.text("-c,--config", config_file, "TOML file with settings; flags come after it");
  flags.on("--resume", resume, "go on with the run in --output from its newest checkpoint");
  flags.on("--overwrite", overwrite, "replace the run in --output");
  flags.on("--quiet", quiet, "say nothing but the result");
  flags.on("--json", json, "one JSON object a line");
  if (!flags.parse(arguments)) return {};
  require(!(resume && overwrite), "train", "--resume and --overwrite exclude each other");

  Request request;
  train::Config& config = request.config;
  if (!config_file.empty()) merge_file(config, config_file);
  flags.apply(config);
  const std::filesystem::path saved = std::filesystem::path(config.output) / train::kConfigFile;
  if (resume && !config.output.empty() && std::filesystem::exists(saved)) {
    train::Config before;
    merge_file(before, saved);
    if (config_file.empty()) config = before, flags.apply(config);
    check_same_run(before, config);
  }
  flags.check(config);
  require(!resume || !config.output.empty(), "--resume", "needs --output, the folder of the run");
  if (resume) request.on_existing = train::OnExistingRun::resume;
  if (overwrite) request.on_existing = train::OnExistingRun::overwrite;
  if (quiet) request.log = train::LogStyle::quiet;
  if (json) request.log = train::LogStyle::json;
  return request;
}

int exit_code(const train::RunResult& result) {
  if (!result.saved) return static_cast<int>(ErrorKind::internal);
  if (result.stopped_by == 0) return 0;
  return result.output.empty() ? kFirstSignalExit + result.stopped_by : kStoppedWithCheckpoint;
}

}  // namespace

int train_command(Arguments arguments) {
  const std::optional<Request> request = read_request(arguments);
  if (!request) return 0;
  const train::Config& config = request->config;

  // All parts are made before the folder, so that a mistake leaves nothing behind.
  prepare_process(config);
  const std::unique_ptr<nn::Module> net = make_net(config, models::Head::replaced);
  const std::unique_ptr<optim::Optimizer> optimizer = make_optimizer(config, *net);
  const optim::SchedulePointer schedule = make_schedule(config);
  const std::unique_ptr<data::Loader> data = make_loader(config, data::Split::train);
  std::unique_ptr<data::Loader> validation;

  std::optional<train::RunFolder> folder;
  const bool talks = request->log == train::LogStyle::automatic;
  if (talks) std::printf("%s\n", to_toml(config).c_str());
  if (!config.output.empty()) {
    folder.emplace(config.output, request->on_existing);
    write_file(folder->file(train::kConfigFile).string(), to_toml(config));
  } else if (talks) {
    std::printf("nothing is saved: there is no --output\n");
  }

  train::TrainerOptions options = trainer_options(config);
  options.log = request->log;
  train::Trainer trainer({.net = *net,
                          .optimizer = *optimizer,
                          .schedule = *schedule,
                          .data = *data,
                          .validation = [&]() -> data::Loader& {
                            if (!validation) validation = make_loader(config, data::Split::val);
                            return *validation;
                          },
                          .objective = make_objective(config),
                          .folder = folder ? &*folder : nullptr},
                         options);
  return exit_code(trainer.run());
}

}  // namespace weft::cli
