// JSON of the trainer: the state of a run in its checkpoint, and the machine's form of the training log. The only file
// of the library that includes nlohmann/json.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "train/run_state.h"
#include "train/training_log.h"

namespace weft::train {
namespace {

using Json = nlohmann::ordered_json;

Json optional_number(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

// Reads fields of one object; each must be there and have the type of the member it fills.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string_view where) : object_(object), where_(where) {}

  template <typename T>
  void read(const char* name, T& member) const {
    const Json& value = at(name);
    try {
      value.get_to(member);
    } catch (const Json::exception&) {
      fail(ErrorKind::data, where_, "field ", name, " has the wrong type: ", value.dump());
    }
  }
  void read(const char* name, std::optional<double>& member) const {
    member.reset();
    if (!at(name).is_null()) read(name, member.emplace());
  }
  FieldReader object(const char* name) const {
    require_data(at(name).is_object(), where_, "field ", name, " is not an object");
    return {at(name), where_};
  }

 private:
  const Json& at(const char* name) const {
    require_data(object_.is_object() && object_.contains(name), where_, "field ", name, " is missing");
    return object_[name];
  }

  const Json& object_;
  std::string_view where_;
};

}  // namespace

std::string to_json(const RunState& s) {
  const Json json = {
      {"step", s.step},
      {"epochs_done", s.epochs_done},
      {"sampler", {{"epoch", s.sampler.epoch}, {"position", s.sampler.position}}},
      {"generator", {{"seed", s.generator.seed}, {"next", s.generator.next}}},
      {"schedule", s.schedule},
      {"meters",
       {{"loss_sum", s.meters.loss_sum},
        {"hits", s.meters.hits},
        {"samples", s.meters.samples},
        {"seconds", s.meters.seconds},
        {"wait_seconds", s.meters.wait_seconds}}},
      {"best", optional_number(s.best)},
      {"val_loss", optional_number(s.val_loss)},
      {"val_top1", optional_number(s.val_top1)},
      {"metrics_bytes", s.metrics_bytes},
      {"elapsed_s", s.elapsed_s},
      {"ended", s.ended},
  };
  return json.dump(2) + "\n";
}

RunState run_state_from_json(std::string_view text, std::string_view where) {
  const Json json = Json::parse(text, nullptr, false);
  require_data(!json.is_discarded(), where, "not valid JSON");
  const FieldReader fields(json, where);
  RunState s;
  fields.read("step", s.step);
  fields.read("epochs_done", s.epochs_done);
  const FieldReader sampler = fields.object("sampler"), generator = fields.object("generator");
  sampler.read("epoch", s.sampler.epoch);
  sampler.read("position", s.sampler.position);
  generator.read("seed", s.generator.seed);
  generator.read("next", s.generator.next);
  fields.read("schedule", s.schedule);
  const FieldReader meters = fields.object("meters");
  meters.read("loss_sum", s.meters.loss_sum);
  meters.read("hits", s.meters.hits);
  meters.read("samples", s.meters.samples);
  meters.read("seconds", s.meters.seconds);
  meters.read("wait_seconds", s.meters.wait_seconds);
  fields.read("best", s.best);
  fields.read("val_loss", s.val_loss);
  fields.read("val_top1", s.val_top1);
  fields.read("metrics_bytes", s.metrics_bytes);
  fields.read("elapsed_s", s.elapsed_s);
  fields.read("ended", s.ended);
  return s;
}

std::string to_json(const StepReport& r) {
  Json json = {{"step", r.step}, {"total_steps", r.total_steps}, {"loss", r.loss}};
  if (r.top1) json["top1"] = *r.top1;
  json["lr"] = r.lr;
  json["step_ms"] = r.step_ms;
  json["samples_per_s"] = r.samples_per_s;
  json["data_wait_pct"] = r.data_wait_pct;
  json["peak_gib"] = r.peak_gib;
  if (r.gradient_norm) json["gradient_norm"] = *r.gradient_norm;
  return json.dump();
}

std::string to_json(const MetricsRow& row) {
  return Json({{"epoch", row.epoch},
               {"step", row.step},
               {"train_loss", row.train_loss},
               {"train_top1", optional_number(row.train_top1)},
               {"val_loss", optional_number(row.val_loss)},
               {"val_top1", optional_number(row.val_top1)},
               {"lr", row.lr},
               {"samples_per_s", row.samples_per_s},
               {"data_wait_pct", row.data_wait_pct},
               {"peak_gib", row.peak_gib},
               {"elapsed_s", row.elapsed_s}})
      .dump();
}

std::string to_json(const RunResult& result) {
  return Json({{"finished", result.stopped_by == 0},
               {"epochs", result.epochs},
               {"steps", result.steps},
               {"val_top1", optional_number(result.val_top1)},
               {"output", result.output}})
      .dump();
}

}  // namespace weft::train
