// Schedules: how the learning rate changes while training goes on. A schedule gives a factor on each group's base
// learning rate for a time t, counted in epochs or in steps as its user likes (fractions are fine). All but plateau
// are pure functions of t, so going on after a stop needs nothing but t.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/export.h"

namespace weft::optim {

class WEFT_API Schedule {
 public:
  virtual ~Schedule();
  // What the base learning rate is multiplied by at time t >= 0.
  virtual double factor(double t) const = 0;
  // Tells of the quantity that is watched, once per epoch; only plateau listens.
  virtual void observe(double metric);
  // What a checkpoint keeps: empty for pure functions of t. load_state takes what state() gave.
  virtual std::vector<double> state() const;
  virtual void load_state(const std::vector<double>& state);
};
using SchedulePointer = std::unique_ptr<Schedule>;

// 1.
WEFT_API SchedulePointer constant();
// gamma^⌊t / every⌋.
WEFT_API SchedulePointer step(double every, double gamma = 0.1);
// gamma^(number of milestones <= t).
WEFT_API SchedulePointer multistep(std::vector<double> milestones, double gamma = 0.1);
// gamma^t, but never below `least`.
WEFT_API SchedulePointer exponential(double gamma, double least = 0);
// final + (1 - final) (1 + cos(π t / total)) / 2; `final` from total on (Loshchilov and Hutter 2017).
WEFT_API SchedulePointer cosine(double total, double final_factor = 0);
// final + (1 - final) (1 - t / total)^power; `final` from total on.
WEFT_API SchedulePointer polynomial(double total, double power = 1, double final_factor = 0);
// 1 / √(t + 1).
WEFT_API SchedulePointer inverse_square_root();

// Smith and Topin 2018: cosine from start up to 1 during the first share of the time, then down to the final factor.
struct OneCycleOptions {
  double total = 0;                // t runs over [0, total]
  double rising = 0.3;             // share of the time spent rising
  double start_factor = 1.0 / 25;  // at t = 0
  double final_factor = 1.0 / 25e4;
};
WEFT_API SchedulePointer one_cycle(OneCycleOptions options);

// Multiplied by gamma when the watched quantity has not improved for more than `patience` observations.
struct PlateauOptions {
  double gamma = 0.1;
  int patience = 10;
  double threshold = 1e-4;  // relative change that counts as better
  int cooldown = 0;         // observations after a reduction that do not count
  double least = 0;         // smallest factor
  bool higher_is_better = false;
};
WEFT_API SchedulePointer plateau(PlateauOptions options = {});

// Rises linearly from start_factor to 1 over `length`, then follows `then` from its own time 0.
WEFT_API SchedulePointer warm_up(double length, SchedulePointer then, double start_factor = 0);
// One schedule after another: each but the last for its length; times count from its own beginning.
struct ScheduleStage {
  SchedulePointer schedule;
  double length = 0;  // of no meaning for the last
};
WEFT_API SchedulePointer sequence(std::vector<ScheduleStage> stages);
// The product of the factors of several schedules at the same time.
WEFT_API SchedulePointer chained(std::vector<SchedulePointer> schedules);

// A schedule by name, with the options of the command line; `total` and `warmup` in the unit of t.
struct ScheduleOptions {
  std::string name =
      "constant";      // constant step multistep exponential cosine polynomial inverse-sqrt one-cycle plateau
  double total = 0;    // cosine, polynomial, one-cycle (warm-up included)
  double every = 30;   // step
  double gamma = 0.1;  // step, multistep, exponential, plateau
  std::vector<double> milestones = {};  // multistep
  double power = 1;                     // polynomial
  double final_factor = 0;              // cosine, polynomial; the least factor of exponential
  double warmup = 0;                    // a linear rise of this length comes first
  double warmup_factor = 0;             // where it starts
  int patience = 10;                    // plateau
  bool higher_is_better = false;        // plateau
};
WEFT_API SchedulePointer make_schedule(const ScheduleOptions& options);
WEFT_API std::vector<std::string> schedule_names();

}  // namespace weft::optim
