// Loss kernels where the op table's rows do not lead: a class that is not there, sums that take more than one round,
// rows that belong to whole blocks, nothing to sum.
#include "core/ops/loss.h"

#include <cmath>

#include "core/autograd.h"
#include "core/ops/copy.h"
#include "tests/catch.h"
#include "tests/emulated/draws.h"
#include "tests/emulated/same_bits.h"

using namespace weft;
using tests::error_of;
using tests::integers;
using tests::kEmulated;
using tests::uniform;

TEST_CASE("a class that is not there is reported in the CPU's words when the device is waited for") {
  for (const DType dtype : {DType::i64, DType::i32, DType::u8}) {
    const Tensor logits = zeros({5, 3}), target = tensor({5}, {0, 1, 2, 3, 0}, {.dtype = dtype});
    const std::string wanted = error_of([&] { cross_entropy(logits, target); });
    REQUIRE(wanted == "data: cross_entropy: class index 3 at position 3 is outside [0, 3)");
    const Tensor loss = cross_entropy(logits.to(kEmulated), target.to(kEmulated));
    CHECK(error_of([&] { loss.item(); }) == wanted);
    CHECK(error_of([&] { loss.item(); }) == "none");  // reported once
  }
}

TEST_CASE("cross-entropy sums any number of rows of any length") {
  for (const Shape& shape : {Shape{9001, 3}, Shape{40, 1100}, Shape{700, 40}, Shape{0, 4}})
    for (const auto& o : {CrossEntropyOptions{}, CrossEntropyOptions{.label_smoothing = 0.1},
                          CrossEntropyOptions{.label_smoothing = 0.1, .reduction = Reduction::sum}})
      for (const bool soft : {false, true}) {
        INFO(message(shape, " ", o.label_smoothing, " soft ", soft));
        const Tensor logits = uniform(shape, -3, 3, DType::f64, 1).set_requires_grad();
        Tensor target = uniform(shape, 0, 1, DType::f64, 2);
        if (!soft) target = integers({shape[0]}, 0, shape[1], 3);
        const Tensor there = logits.detach().to(kEmulated).set_requires_grad();
        const Tensor loss = cross_entropy(logits, target, o),
                     loss_there = cross_entropy(there, target.to(kEmulated), o);
        if (shape[0] == 0 && o.reduction == Reduction::mean) {
          CHECK(std::isnan(loss_there.item()));
          continue;
        }
        CHECK(loss_there.item() == Approx(loss.item()).epsilon(1e-12).margin(1e-12));
        loss.backward();
        loss_there.backward();
        const std::vector<double> a = logits.grad().to_vector(), b = there.grad().to_vector();
        double worst = 0;
        for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
        CHECK(worst <= 1e-13);
      }
}

TEST_CASE("elementwise losses sum any number of elements, wherever they lie") {
  // More tiles than blocks; a few too many for packs; nothing; and a view that is not aligned for packs.
  for (const std::int64_t n : {1024 * 1024 + 5, 4096 + 3, 0}) {
    const Tensor x = uniform({n + 1}, -1, 1, DType::f32, 1).slice(0, 1, n + 1);
    const Tensor target = uniform({n + 1}, -1, 1, DType::f32, 2).slice(0, 1, n + 1);
    const Tensor x_there = x.to(kEmulated), target_there = target.to(kEmulated);
    const double sum = mse_loss(x_there, target_there, Reduction::sum).item();
    CHECK(sum == Approx(mse_loss(x, target, Reduction::sum).item()).epsilon(1e-6));
    if (n == 0) continue;
    // The same elements at another address: the same bits.
    const Tensor wide_x = zeros({n + 1}, {.device = kEmulated}), wide_target = zeros({n + 1}, {.device = kEmulated});
    const Tensor shifted_x = wide_x.slice(0, 1, n + 1), shifted_target = wide_target.slice(0, 1, n + 1);
    copy_forward(x_there, shifted_x);
    copy_forward(target_there, shifted_target);
    CHECK(mse_loss(shifted_x, shifted_target, Reduction::sum).item() == sum);
  }
}
