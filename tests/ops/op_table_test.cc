// Every row of the op table, held against its reference in all dtypes, memory formats and candidates.
#include "core/autograd.h"
#include "core/ops/elementwise.h"
#include "tests/catch.h"
#include "tools/op_check.h"

using namespace weft;
using namespace weft::tools;

namespace {

// Runs a check for every row; a complaint names the row.
template <typename Check>
void for_each_row(Check&& check) {
  REQUIRE(op_cases().size() > 100);
  for (const OpCase& row : op_cases()) {
    Complaint text;
    try {
      text = check(row);
    } catch (const std::exception& error) {
      text = message(describe(row), ": ", error.what());
    }
    CHECK(text == "");
  }
}

// The first complaint over all dtypes and forms of a row.
template <typename Check>
Complaint over_forms(const OpCase& row, Check&& check) {
  for (const DType dtype : row.dtypes)
    for (const Form form : kForms)
      if (Complaint text = check(dtype, form); !text.empty()) return text;
  return {};
}

}  // namespace

TEST_CASE("every op agrees with its double reference, in every dtype and memory format") {
  for_each_row([](const OpCase& row) {
    return over_forms(row, [&](DType dtype, Form form) { return check_forward(row, dtype, form); });
  });
}

TEST_CASE("every gradient agrees with central differences in f64") {
  for_each_row([](const OpCase& row) { return check_gradient(row); });
}

TEST_CASE("every gradient agrees with the f64 gradient, in every dtype and memory format") {
  for_each_row([](const OpCase& row) {
    return over_forms(row, [&](DType dtype, Form form) {
      return is_floating(dtype) ? check_gradient_like_f64(row, dtype, form) : Complaint{};
    });
  });
}

TEST_CASE("every op and gradient gives the same bits with 1 and 2 threads") {
  for_each_row([](const OpCase& row) {
    for (const DType dtype : row.dtypes)
      if (Complaint text = check_threads(row, dtype); !text.empty()) return text;
    return Complaint{};
  });
}

TEST_CASE("every candidate of every slot agrees with the reference when forced") {
  for_each_row([](const OpCase& row) {
    return over_forms(row, [&](DType dtype, Form form) { return check_candidates(row, dtype, form); });
  });
}

TEST_CASE("the checks notice a wrong value, a wrong gradient and a wrong shape") {
  OpCase row{.op = "broken",
             .inputs = {{.shape = {3, 4}}},
             .run = [](In in, const Attributes&) { return in[0] * 1.001; },
             .reference = [](const Arrays& in, const Attributes&) { return in[0]; }};
  CHECK(check_forward(row, DType::f32, Form::contiguous) != "");
  row.run = [](In in, const Attributes&) { return in[0].reshape({4, 3}); };
  CHECK(check_forward(row, DType::f32, Form::contiguous) != "");
  // A gradient that is 1 % off.
  row.run = [](In in, const Attributes&) {
    return differentiable("broken", {in[0]}, in[0].detach().clone(),
                          [](const Tensor& dy, Needs) { return Tensors{dy * 1.01}; });
  };
  CHECK(check_forward(row, DType::f32, Form::contiguous) == "");
  CHECK(check_gradient(row) != "");
}
