#include "core/checkpoint.h"

#include "core/autocast.h"
#include "core/autograd.h"
#include "core/generator.h"

namespace weft {
namespace {

class Segment;

// The place of one saved tensor of a segment: empty until the segment has run again. Goes with the closure that reads
// it.
class Place final : public RecomputedTensor {
 public:
  Place(Ref<Segment> segment, std::size_t number) : segment_(std::move(segment)), number_(number) {}
  ~Place() override;
  const Tensor& get() override;
  Tensor tensor;

 private:
  Ref<Segment> segment_;
  std::size_t number_;
};

// The segment that this thread runs, for the first or the second time; null outside.
constinit thread_local Segment* running = nullptr;
constinit thread_local bool second_time = false;

// Numbers the tensors that the segment's ops save. The first time it keeps a place for each, the second time it fills
// those places that somebody still waits for.
class Segment final : public Counted, public SavedTensorHook {
 public:
  Segment(std::function<Tensor(const Tensor&)> function, const Tensor& x)
      : function_(std::move(function)),
        x_(x),
        wanted_(x.requires_grad()),
        generator_(default_generator()),
        amp_(autocast_dtype()) {}

  Tensor first_run(const Tensor& x) {
    const Running scope(this, false);
    return function_(x);
  }

  void second_run() {
    const Tensor x = x_.get().detach();
    if (wanted_) x.set_requires_grad();
    const Generator now = std::exchange(default_generator(), generator_);
    struct Restore {
      Generator now;
      ~Restore() { default_generator() = now; }
    } const restore{now};
    const Running scope(this, true);
    const WithGrad record;
    const Autocast autocast(amp_);
    next_ = 0;
    function_(x);
    ensure(next_ == places_.size(), "a checkpointed segment computes the same both times");
  }

  Ref<RecomputedTensor> saved(const Tensor& x) override {
    if (second_time) {
      ensure(next_ < places_.size(), "a checkpointed segment computes the same both times");
      Place* const place = places_[next_++];
      if (place && x.defined()) place->tensor = make_view(x, x.layout());
      return {};
    }
    places_.push_back(nullptr);
    // Leaves live anyway, and their versions are to be compared.
    if (!x.defined() || (x.requires_grad() && !x.body()->node)) return {};
    const Ref<Place> place(new Place(Ref<Segment>(this), places_.size() - 1));
    places_.back() = place.get();
    return Ref<RecomputedTensor>(place.get());
  }
  void forget(std::size_t number) { places_[number] = nullptr; }

 private:
  class Running {
   public:
    Running(Segment* segment, bool second) : segment_(running, segment), second_(second_time, second), hook_(segment) {}

   private:
    Scoped<Segment*> segment_;
    Scoped<bool> second_;
    SavedTensorHook::Scope hook_;
  };

  std::function<Tensor(const Tensor&)> function_;
  SavedTensor x_;
  bool wanted_;
  Generator generator_;
  std::optional<DType> amp_;
  std::vector<Place*> places_;  // null: kept by its owner, or not wanted any more
  std::size_t next_ = 0;
};

Place::~Place() { segment_->forget(number_); }

const Tensor& Place::get() {
  if (!tensor.defined()) segment_->second_run();
  return tensor;
}

}  // namespace

bool recomputing() { return second_time; }

Tensor checkpoint(const std::function<Tensor(const Tensor&)>& segment, const Tensor& x) {
  require(x.defined(), "checkpoint", "x is undefined");
  if (!grad_enabled() || running) return segment(x);
  const Ref<Segment> kept(new Segment(segment, x));
  return kept->first_run(x);
}

}  // namespace weft
