#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "core/error.h"
#include "core/suggest.h"

namespace weft::optim {

Schedule::~Schedule() = default;
void Schedule::observe(double) {}
std::vector<double> Schedule::state() const { return {}; }
void Schedule::load_state(const std::vector<double>& state) {
  require(state.empty(), "schedule", "this schedule has no state, got ", state.size(), " numbers");
}

namespace {

// A schedule that is a formula.
class Formula final : public Schedule {
 public:
  explicit Formula(std::function<double(double)> factor) : factor_(std::move(factor)) {}
  double factor(double t) const override { return factor_(t); }

 private:
  std::function<double(double)> factor_;
};
SchedulePointer formula(std::function<double(double)> factor) { return std::make_unique<Formula>(std::move(factor)); }

void require_total(double total, const char* name) {
  require(total > 0, name, "the total time must be positive, got ", total);
}

// Half a cosine from a (share 0) to b (share 1).
double half_cosine(double a, double b, double share) {
  return b + (a - b) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

class Plateau final : public Schedule {
 public:
  explicit Plateau(const PlateauOptions& options) : options_(options) {
    require(options.gamma > 0 && options.gamma < 1, "plateau", "gamma must lie in (0, 1), got ", options.gamma);
    require(options.patience >= 0 && options.cooldown >= 0, "plateau", "patience and cooldown must not be negative");
  }
  double factor(double) const override { return factor_; }

  void observe(double metric) override {
    if (better(metric)) {
      best_ = metric;
      bad_ = 0;
    } else {
      ++bad_;
    }
    if (cooling_ > 0) {
      --cooling_;
      bad_ = 0;
    }
    if (bad_ <= options_.patience) return;
    factor_ = std::max(options_.least, factor_ * options_.gamma);
    cooling_ = options_.cooldown;
    bad_ = 0;
  }

  std::vector<double> state() const override {
    return {factor_, started() ? best_ : 0.0, started() ? 1.0 : 0.0, static_cast<double>(bad_),
            static_cast<double>(cooling_)};
  }
  void load_state(const std::vector<double>& state) override {
    require(state.size() == 5, "plateau", "the state has 5 numbers, got ", state.size());
    factor_ = state[0];
    best_ = state[2] != 0 ? state[1] : std::numeric_limits<double>::quiet_NaN();
    bad_ = static_cast<int>(state[3]);
    cooling_ = static_cast<int>(state[4]);
  }

 private:
  bool started() const { return !std::isnan(best_); }
  bool better(double metric) const {
    if (!started()) return !std::isnan(metric);
    return options_.higher_is_better ? metric > best_ * (1 + options_.threshold)
                                     : metric < best_ * (1 - options_.threshold);
  }

  PlateauOptions options_;
  double factor_ = 1;
  double best_ = std::numeric_limits<double>::quiet_NaN();  // NaN: nothing seen yet
  int bad_ = 0, cooling_ = 0;
};

// Several schedules together; state and observations pass through to each.
class Combined : public Schedule {
 public:
  explicit Combined(std::vector<SchedulePointer> parts) : parts_(std::move(parts)) {
    require(!parts_.empty(), "schedule", "at least one schedule is needed");
    for (const SchedulePointer& part : parts_) require(part != nullptr, "schedule", "a part is missing");
  }
  void observe(double metric) override {
    for (const SchedulePointer& part : parts_) part->observe(metric);
  }
  std::vector<double> state() const override {
    std::vector<double> all;
    for (const SchedulePointer& part : parts_) {
      const std::vector<double> own = part->state();
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }
  void load_state(const std::vector<double>& state) override {
    std::size_t at = 0;
    for (const SchedulePointer& part : parts_) {
      const std::size_t size = part->state().size();
      require(at + size <= state.size(), "schedule", "the state is too short: ", state.size(), " numbers");
      const auto begin = state.begin() + static_cast<std::ptrdiff_t>(at);
      part->load_state({begin, begin + static_cast<std::ptrdiff_t>(size)});
      at += size;
    }
    require(at == state.size(), "schedule", "the state has ", state.size(), " numbers, needed are ", at);
  }

 protected:
  const std::vector<SchedulePointer>& parts() const { return parts_; }

 private:
  std::vector<SchedulePointer> parts_;
};

class Product final : public Combined {
 public:
  using Combined::Combined;
  double factor(double t) const override {
    double product = 1;
    for (const SchedulePointer& part : parts()) product *= part->factor(t);
    return product;
  }
};

class Sequence final : public Combined {
 public:
  Sequence(std::vector<SchedulePointer> parts, std::vector<double> lengths)
      : Combined(std::move(parts)), lengths_(std::move(lengths)) {
    for (std::size_t i = 0; i + 1 < lengths_.size(); ++i)
      require(lengths_[i] >= 0, "schedule", "a length must not be negative, got ", lengths_[i]);
  }
  double factor(double t) const override {
    std::size_t stage = 0;
    while (stage + 1 < parts().size() && t >= lengths_[stage]) t -= lengths_[stage++];
    return parts()[stage]->factor(t);
  }

 private:
  std::vector<double> lengths_;
};

}  // namespace

SchedulePointer constant() {
  return formula([](double) { return 1.0; });
}

SchedulePointer step(double every, double gamma) {
  require(every > 0, "step schedule", "the interval must be positive, got ", every);
  return formula([=](double t) { return std::pow(gamma, std::floor(t / every)); });
}

SchedulePointer multistep(std::vector<double> milestones, double gamma) {
  std::sort(milestones.begin(), milestones.end());
  return formula([milestones = std::move(milestones), gamma](double t) {
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin();
    return std::pow(gamma, static_cast<double>(passed));
  });
}

SchedulePointer exponential(double gamma, double least) {
  return formula([=](double t) { return std::max(least, std::pow(gamma, t)); });
}

SchedulePointer cosine(double total, double final_factor) {
  require_total(total, "cosine schedule");
  return formula([=](double t) { return half_cosine(1, final_factor, std::min(t / total, 1.0)); });
}

SchedulePointer polynomial(double total, double power, double final_factor) {
  require_total(total, "polynomial schedule");
  return formula(
      [=](double t) { return final_factor + (1 - final_factor) * std::pow(1 - std::min(t / total, 1.0), power); });
}

SchedulePointer inverse_square_root() {
  return formula([](double t) { return 1 / std::sqrt(t + 1); });
}

SchedulePointer one_cycle(OneCycleOptions options) {
  require_total(options.total, "one-cycle schedule");
  require(options.rising > 0 && options.rising < 1, "one-cycle schedule", "the rising share must lie in (0, 1), got ",
          options.rising);
  return formula([o = options](double t) {
    const double top = o.rising * o.total;
    if (t <= top) return half_cosine(o.start_factor, 1, t / top);
    return half_cosine(1, o.final_factor, std::min((t - top) / (o.total - top), 1.0));
  });
}

SchedulePointer plateau(PlateauOptions options) { return std::make_unique<Plateau>(options); }

SchedulePointer warm_up(double length, SchedulePointer then, double start_factor) {
  if (length <= 0) return then;
  std::vector<ScheduleStage> stages;
  stages.push_back({formula([=](double t) { return start_factor + (1 - start_factor) * t / length; }), length});
  stages.push_back({std::move(then), 0});
  return sequence(std::move(stages));
}

SchedulePointer sequence(std::vector<ScheduleStage> stages) {
  std::vector<SchedulePointer> parts;
  std::vector<double> lengths;
  for (ScheduleStage& stage : stages) {
    parts.push_back(std::move(stage.schedule));
    lengths.push_back(stage.length);
  }
  return std::make_unique<Sequence>(std::move(parts), std::move(lengths));
}

SchedulePointer chained(std::vector<SchedulePointer> schedules) {
  return std::make_unique<Product>(std::move(schedules));
}

namespace {

struct NamedSchedule {
  const char* name;
  SchedulePointer (*make)(const ScheduleOptions& options);
};
constexpr NamedSchedule kSchedules[] = {
    {"constant", [](const ScheduleOptions&) { return constant(); }},
    {"step", [](const ScheduleOptions& o) { return step(o.every, o.gamma); }},
    {"multistep", [](const ScheduleOptions& o) { return multistep(o.milestones, o.gamma); }},
    {"exponential", [](const ScheduleOptions& o) { return exponential(o.gamma, o.final_factor); }},
    {"cosine", [](const ScheduleOptions& o) { return cosine(o.total, o.final_factor); }},
    {"polynomial", [](const ScheduleOptions& o) { return polynomial(o.total, o.power, o.final_factor); }},
    {"inverse-sqrt", [](const ScheduleOptions&) { return inverse_square_root(); }},
    {"one-cycle", [](const ScheduleOptions& o) { return one_cycle({.total = o.total}); }},
    {"plateau",
     [](const ScheduleOptions& o) {
       return plateau({.gamma = o.gamma, .patience = o.patience, .higher_is_better = o.higher_is_better});
     }},
};

}  // namespace

SchedulePointer make_schedule(const ScheduleOptions& options) {
  require(options.warmup >= 0, "schedule", "the warm-up must not be negative, got ", options.warmup);
  ScheduleOptions after = options;
  after.total = options.total - options.warmup;
  for (const NamedSchedule& entry : kSchedules)
    if (options.name == entry.name) return warm_up(options.warmup, entry.make(after), options.warmup_factor);
  fail(ErrorKind::usage, "schedule", "unknown schedule '", options.name, "'",
       suggestion(options.name, schedule_names()));
}

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const NamedSchedule& entry : kSchedules) names.emplace_back(entry.name);
  return names;
}

}  // namespace weft::optim
