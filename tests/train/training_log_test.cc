#include "train/training_log.h"

#include "core/error.h"
#include "tests/catch.h"
#include "train/run_state.h"

using namespace weft;
using namespace weft::train;

TEST_CASE("the training log says everything in one line") {
  const StepReport report{.step = 1200,
                          .total_steps = 90000,
                          .loss = 2.3141,
                          .top1 = 0.481,
                          .lr = 0.08,
                          .step_ms = 61.3,
                          .samples_per_s = 16700,
                          .data_wait_pct = 2,
                          .peak_gib = 9.1};
  CHECK(to_line(report) ==
        "step 1200/90000 | loss 2.3141 | top1 48.1% | lr 8.0e-02 | 61.3 ms | 16.7k img/s | data 2% | 9.1 GiB");
  StepReport regression = report;
  regression.top1.reset();
  CHECK(to_line(regression).find("top1") == std::string::npos);
  CHECK(to_json(report) == R"({"step":1200,"total_steps":90000,"loss":2.3141,"top1":0.481,"lr":0.08,"step_ms":61.3,)"
                           R"("samples_per_s":16700.0,"data_wait_pct":2.0,"peak_gib":9.1})");
}

TEST_CASE("the last JSON line of a run has the promised fields") {
  CHECK(to_json(RunResult{.epochs = 3, .steps = 705, .val_top1 = 0.8, .output = "runs/a"}) ==
        R"({"finished":true,"epochs":3,"steps":705,"val_top1":0.8,"output":"runs/a"})");
  CHECK(to_json(RunResult{.epochs = 1, .steps = 300, .stopped_by = 15}) ==
        R"({"finished":false,"epochs":1,"steps":300,"val_top1":null,"output":""})");
}

TEST_CASE("the state of a run comes back with the same bits, and every field is needed") {
  RunState state{.step = 12,
                 .epochs_done = 1,
                 .sampler = {1, 512},
                 .generator = {.seed = 7, .next = 1ull << 60},
                 .schedule = {0.1, 1e-300, 3},
                 .meters = {.loss_sum = 0.1 + 0.2, .hits = 7, .samples = 512, .seconds = 1.5, .wait_seconds = 0.25},
                 .best = 0.7,
                 .val_loss = 1.0 / 3,
                 .val_top1 = 0.7,
                 .metrics_bytes = 99,
                 .elapsed_s = 3.25,
                 .ended = true};
  const std::string json = to_json(state);
  CHECK(to_json(run_state_from_json(json, "state.json")) == json);
  CHECK(run_state_from_json(json, "state.json").meters.loss_sum == 0.1 + 0.2);
  state.best.reset();
  CHECK_FALSE(run_state_from_json(to_json(state), "state.json").best.has_value());

  for (const char* field :
       {"step",         "epochs_done", "sampler",  "epoch",    "position",      "generator", "seed",
        "next",         "schedule",    "meters",   "loss_sum", "hits",          "samples",   "seconds",
        "wait_seconds", "best",        "val_loss", "val_top1", "metrics_bytes", "elapsed_s", "ended"}) {
    std::string without = json;
    const std::string key = message('"', field, '"');
    without.replace(without.find(key), key.size(), "\"gone\"");
    CHECK_THROWS_WITH(run_state_from_json(without, "state.json"), message("state.json: field ", field, " is missing"));
  }
  CHECK_THROWS_WITH(run_state_from_json("{\"step\": ", "state.json"), contains("not valid JSON"));
  CHECK_THROWS_WITH(run_state_from_json("[]", "state.json"), contains("is missing"));
  std::string wrong = json;
  wrong.replace(wrong.find("\"step\": 12"), 10, "\"step\": {}");
  CHECK_THROWS_WITH(run_state_from_json(wrong, "state.json"), contains("field step has the wrong type"));
}
