#include "core/arena.h"

#include "core/autograd.h"
#include "core/ops/copy.h"

namespace weft {
namespace {

// Ranges start at multiples of a cache line, so that vector loops over a parameter are aligned.
constexpr std::int64_t kAlignmentBytes = 64;

}  // namespace

Arena::Arena(std::span<const std::vector<Tensor>> groups) {
  const Tensor* first = nullptr;
  std::int64_t total = 0;
  for (const auto& group : groups) {
    const std::int64_t group_begin = total;
    for (auto parameter = group.rbegin(); parameter != group.rend(); ++parameter) {
      require(parameter->requires_grad() && !parameter->body()->node, "arena", "parameters must be leaves that want ",
              "gradients");
      if (!first) first = &*parameter;
      require(parameter->dtype() == first->dtype() && parameter->device() == first->device(), "arena",
              "parameters of one arena share dtype and device: ", parameter->dtype(), " on ", parameter->device(),
              " after ", first->dtype(), " on ", first->device());
      for (const Tensor& earlier : tensors_)
        require(!earlier.same_as(*parameter), "arena", "a parameter ", parameter->shape(), " is given twice");
      const std::int64_t elements = parameter->elements();
      const auto alignment = kAlignmentBytes / static_cast<std::int64_t>(bytes_of(first->dtype()));
      ranges_.push_back({total, total + elements});
      tensors_.push_back(*parameter);
      total += (elements + alignment - 1) / alignment * alignment;
    }
    groups_.push_back({group_begin, total});
  }
  const TensorOptions options = first ? TensorOptions{first->dtype(), first->device()} : TensorOptions{};
  values_ = zeros({total}, options);
  gradients_ = zeros({total}, options);
  const std::size_t width = bytes_of(options.dtype);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& parameter = tensors_[i];
    const auto range = [&](const Tensor& flat) {
      return storage_range(flat.storage(), static_cast<std::size_t>(ranges_[i].begin) * width,
                           static_cast<std::size_t>(parameter.elements()) * width);
    };
    const auto view = [&](const Tensor& flat) {
      Ref<TensorBody> b(new TensorBody);
      b->layout = dense_layout(parameter.shape());
      b->dtype = parameter.dtype();
      b->storage = range(flat);
      return Tensor(std::move(b));
    };
    const Tensor value = view(values_);
    copy_forward(parameter, value);
    parameter.body()->storage = value.storage();
    parameter.body()->layout = value.layout();
    set_gradient_memory(parameter, view(gradients_));
  }
}

void Arena::check_in_place(std::string_view op) const {
  const std::size_t width = bytes_of(values_.dtype());
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const void* expected =
        static_cast<const std::byte*>(values_.raw()) + static_cast<std::size_t>(ranges_[i].begin) * width;
    require(tensors_[i].elements() == 0 || tensors_[i].raw() == expected, op, "parameter ", i, " ", tensors_[i].shape(),
            " was moved after the optimizer was built; build the optimizer after to()");
  }
}

void Arena::complete_gradients() const {
  for (const Tensor& parameter : tensors_)
    if (!has_gradient(parameter)) fill_gradient_with_zero(parameter);
}

void Arena::zero_grad() const {
  for (const Tensor& parameter : tensors_) parameter.zero_grad();
}

}  // namespace weft
