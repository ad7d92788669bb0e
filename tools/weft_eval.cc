// weft eval: loss and accuracy of saved weights on the validation data.
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/autocast.h"
#include "tools/assemble.h"
#include "tools/commands.h"
#include "tools/flags.h"
#include "tools/weights_flags.h"

namespace weft::cli {

int eval_command(Arguments arguments) {
  Flags flags("eval", "loss and accuracy of a trained net on the validation data");
  WeightsFlags weights(flags);
  bool json = false;
  flags.on("--json", json, "print {loss, top1, top5, samples}");
  if (!flags.parse(arguments)) return 0;

  const train::Config config = weights.config(flags);
  prepare_process(config);
  const std::unique_ptr<nn::Module> net = make_net(config);
  const std::unique_ptr<data::Loader> data = make_loader(config, data::Split::val);
  const Autocast autocast(amp_of(config));
  const train::Evaluation result = *evaluate(*net, *data, make_objective(config), device_of(config));
  if (!std::isfinite(result.loss))
    fail(ErrorKind::diverged, "eval", "the loss is ", result.loss, "; are the weights sound?");
  if (json) {
    nlohmann::ordered_json out = {{"loss", result.loss}};
    out["top1"] = result.top1 ? nlohmann::ordered_json(*result.top1) : nullptr;
    out["top5"] = result.top5 ? nlohmann::ordered_json(*result.top5) : nullptr;
    out["samples"] = result.samples;
    std::printf("%s\n", out.dump().c_str());
  } else {
    std::printf("loss %.4f", result.loss);
    if (result.top1) std::printf(" | top1 %.2f%% | top5 %.2f%%", 100 * *result.top1, 100 * *result.top5);
    std::printf(" | %lld samples\n", static_cast<long long>(result.samples));
  }
  return 0;
}

}  // namespace weft::cli
