#include "tools/planned_memory.h"

#include <algorithm>
#include <map>

#include "core/autocast.h"
#include "core/memory_observer.h"
#include "nn/nn.h"
#include "optim/grad_scaler.h"
#include "tools/assemble.h"

namespace weft::tools {
namespace {

// What lives, and the most that did.
class Account final : public MemoryObserver {
 public:
  explicit Account(std::int64_t batch_size) : batch_size_(batch_size) {}
  void allocated(const Storage& storage, const Shape& shape, DType dtype) override {
    auto bytes = static_cast<std::int64_t>(bytes_of(dtype));
    for (const std::int64_t size : shape) bytes *= size == 0 ? batch_size_ : size;
    held_[&storage] = bytes;
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  void freed(const Storage& storage) noexcept override {
    const auto found = held_.find(&storage);
    if (found == held_.end()) return;
    live_ -= found->second;
    held_.erase(found);
  }
  std::int64_t live() const { return live_; }
  std::int64_t peak() const { return peak_; }
  void reset_peak() { peak_ = live_; }

 private:
  std::int64_t batch_size_, live_ = 0, peak_ = 0;
  std::map<const Storage*, std::int64_t> held_;
};

std::int64_t bytes_of_all(const std::vector<Tensor>& tensors) {
  std::int64_t sum = 0;
  for (const Tensor& x : tensors) sum += static_cast<std::int64_t>(x.bytes());
  return sum;
}

// The input and target of a batch of no samples.
std::pair<Tensor, Tensor> empty_batch(const train::Config& config) {
  const models::ModelOptions options = models::complete_options(config.model, cli::model_options(config));
  Shape shape = models::input_shape(config.model, options);
  shape.insert(0, 0);
  if (models::find_model(config.model).regression) return {empty(shape), empty({0, options.classes})};
  return {empty(shape), empty({0}, {.dtype = DType::i64})};
}

}  // namespace

PlannedMemory planned_memory(train::Config config) {
  config.device = "cpu";
  config.pretrained.clear();
  config.init = "layers";
  Account account(config.batch_size);
  const MemoryObserver::Scope scope(&account);
  const std::optional<DType> amp = cli::amp_of(config);
  const std::unique_ptr<nn::Module> net = cli::make_net(config);
  const std::unique_ptr<optim::Optimizer> optimizer = cli::make_optimizer(config, *net);
  const std::vector<nn::AuxiliaryHead*> heads = nn::auxiliary_heads(*net);
  const train::Objective objective = cli::make_objective(config);
  PlannedMemory plan;
  plan.gradients = bytes_of_all(net->parameters());
  for (const NamedTensor& entry : net->state()) plan.weights += static_cast<std::int64_t>(entry.tensor.bytes());
  // The first step makes the optimizer's state.
  for (int step = 0; step < 2; ++step) {
    account.reset_peak();
    plan.optimizer = account.live() - plan.weights - plan.gradients;
    const auto [input, target] = empty_batch(config);
    Tensor loss;
    {
      const Autocast autocast(amp);
      const Tensor y = (*net)(input);
      loss = nn::loss_with_heads(heads, y, [&](const Tensor& out) { return objective.loss(out, target); });
    }
    plan.kept = account.live() - plan.weights - plan.gradients - plan.optimizer;
    optimizer->zero_grad();
    loss.backward();
    loss = {};
    optimizer->advance();
    optimizer->apply();
  }
  plan.transient = account.peak() - plan.weights - plan.gradients - plan.optimizer - plan.kept;
  return plan;
}

}  // namespace weft::tools
