// weft op and weft selftest, called as the program calls them.
#include "tools/op_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/npy.h"
#include "core/ops/elementwise.h"
#include "core/ops/softmax.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tools/op_check.h"
#include "tools/op_random.h"

using namespace weft;
using namespace weft::tools;
using Json = nlohmann::json;

TEST_CASE("weft op runs on given arrays and writes result and gradients") {
  const tests::Scratch folder;
  write_npy(folder / "a.npy", tensor({2, 3}, {0, 1, 2, 3, 4, 5}));
  write_npy(folder / "b.npy", tensor({3}, {1, 2, 3}));
  const OpReport report = run_op(
      {.op = "mul", .inputs = {folder / "a.npy", folder / "b.npy"}, .gradient = "ones", .output = folder / "y.npy"});
  using Values = std::vector<double>;
  CHECK(read_npy(folder / "y.npy").to_vector() == Values{0, 2, 6, 3, 8, 15});
  CHECK(read_npy(folder / "y.da.npy").to_vector() == Values{1, 2, 3, 1, 2, 3});
  CHECK(read_npy(folder / "y.db.npy").to_vector() == Values{3, 5, 7});
  REQUIRE(!report.forward.empty());
  CHECK(report.forward[0].slot == "binary_forward");
  CHECK(report.forward[0].candidate == "cpu.blocks");
  CHECK(report.forward[0].cost.bytes == 4 * (6 + 3 + 6));
}

TEST_CASE("weft op takes shapes, attributes and dtypes, and reports as JSON") {
  const OpRequest request{
      .op = "sum", .shapes = {parse_shape("64x32")}, .attributes = {{"axes", "1"}}, .dtype = DType::f64, .repeat = 3};
  std::ostringstream out;
  print_report(out, request, run_op(request), true);
  const Json json = Json::parse(out.str());
  CHECK(json["shape"] == Json({64}));
  CHECK(json["dtype"] == "f64");
  CHECK(json["forward"]["kernels"][0]["slot"] == "reduce_forward");
  CHECK(json["forward"]["ms"].get<double>() > 0);
}

TEST_CASE("weft op times forward and backward as often as asked, and leaves the gradients of one") {
  const OpReport report = run_op({.op = "mul", .shapes = {{5, 7}, {5, 7}}, .gradient = "ones", .repeat = 3});
  CHECK(report.forward_ms > 0);
  CHECK(report.backward_ms > 0);
  const OpReport once = run_op({.op = "mul", .shapes = {{5, 7}, {5, 7}}, .gradient = "ones", .repeat = 1});
  CHECK(report.gradients[0].to_vector() == once.gradients[0].to_vector());
}

TEST_CASE("weft op draws large inputs within the row's range, in the dtype asked for") {
  const OpReport report = run_op({.op = "relu", .shapes = {{1024, 1100}}, .dtype = DType::bf16});
  CHECK(report.y.dtype() == DType::bf16);
  const std::vector<double> values = report.y.to_vector();
  CHECK(*std::max_element(values.begin(), values.end()) > 0);
  CHECK(std::count(values.begin(), values.end(), 0.0) < std::ptrdiff_t(values.size()) * 3 / 4);
}

TEST_CASE("weft op keeps class indices within the shapes given") {
  CHECK_NOTHROW(run_op({.op = "cross_entropy", .shapes = {{5, 2}, {5}}, .gradient = "ones"}));
}

TEST_CASE("weft op explains what it cannot do") {
  CHECK_THROWS_WITH(run_op({.op = "sofmax"}), contains("did you mean 'softmax'"));
  CHECK_THROWS_WITH(run_op({.op = "softmax", .attributes = {{"axs", "1"}}}), contains("takes (x; axis)"));
  CHECK_THROWS_WITH(run_op({.op = "softmax", .attributes = {{"axis", "one"}}}), contains("axis needs a number"));
  CHECK_THROWS_WITH(run_op({.op = "softmax", .kernel = "gpu.magic"}), contains("no kernel is named 'gpu.magic'"));
  CHECK_THROWS_WITH(run_op({.op = "equal", .gradient = "ones"}), contains("equal: has no gradient"));
  CHECK_THROWS_WITH(parse_shape("2xx3"), contains("is not like 2x3x4"));
}

TEST_CASE("weft op --list names every op once, with inputs, attributes and candidates") {
  std::ostringstream out;
  list_ops(out, {}, true);
  const Json list = Json::parse(out.str());
  std::vector<std::string> names;
  for (const Json& entry : list) {
    names.push_back(entry["name"]);
    CHECK(entry["inputs"].is_array());
    CHECK(entry["attributes"].is_object());
    for (const auto& candidates : entry["candidates"]) CHECK(!candidates.empty());
  }
  for (const char* op : {"add", "conv2d", "softmax", "cross_entropy", "dropout", "sgd_update"})
    CHECK(std::count(names.begin(), names.end(), op) == 1);
}

TEST_CASE("weft op --list names the other ops when one cannot run, and says why") {
  const auto refuse = [](const Tensor&, const Tensor&) -> std::string { return "it never runs"; };
  softmax_forward.add({.device = DeviceKind::cpu,
                       .name = "test.refuses",
                       .rank = 900,
                       .refuse = refuse,
                       .run = [](const Tensor&, const Tensor&) {}});
  force_kernel("softmax_forward", "test.refuses");
  std::ostringstream out;
  list_ops(out, {}, true);
  force_kernel("softmax_forward", "");
  std::size_t failed = 0, listed = 0;
  for (const Json& entry : Json::parse(out.str())) {
    listed += entry["candidates"].empty() ? 0 : 1;
    if (!entry.contains("error")) continue;
    ++failed;
    CHECK(entry["name"] == "softmax");
    CHECK_THAT(entry["error"].get<std::string>(), contains("it never runs"));
  }
  CHECK(failed == 1);
  CHECK(listed > 50);
}

TEST_CASE("selftest passes, and refuses a pattern that names nothing") {
  std::ostringstream out;
  CHECK(selftest(out, {}, "softmax"));
  CHECK_THAT(out.str(), contains("rows, 0 failures"));
  CHECK_THROWS_WITH(selftest(out, {}, "nothing"), contains("no op has 'nothing' in its name"));
}

TEST_CASE("weft selftest checks exactly the ops that --only names, and refuses names of none") {
  const auto named = [](const OpCase& row) { return row.op == "relu_" || row.op == "fill_"; };
  const auto rows = std::count_if(op_cases().begin(), op_cases().end(), named);
  std::ostringstream out;
  CHECK(selftest(out, {}, "", {"relu_", "fill_"}));
  CHECK(out.str() == message("selftest on cpu: ", rows, " rows, 0 failures\n"));
  CHECK_THROWS_WITH(selftest(out, {}, "", {"fill"}), contains("there is no op named 'fill'"));
}

TEST_CASE("rows get other sizes that follow from a number, and more than half of the rows allow some") {
  std::size_t found = 0;
  for (const OpCase& row : op_cases()) {
    const auto other = with_other_sizes(row, 5);
    if (!other) continue;
    ++found;
    CHECK(describe(*other) != describe(row));
    CHECK(describe(*other) == describe(*with_other_sizes(row, 5)));
  }
  CHECK(2 * found >= op_cases().size());
}

TEST_CASE("weft selftest --random checks rows in sizes that nobody wrote down, and finds what is wrong with them") {
  std::ostringstream out;
  CHECK(selftest(out, {}, "", {"softmax", "matmul", "max_pool2d"}, 3));
  CHECK_THAT(out.str(), contains("rows of random sizes (--random 3; ") && contains(", 0 failures"));
  // Right up to four columns.
  OpCase row{.op = "sick",
             .inputs = {{.shape = {2, 4}, .name = "x"}},
             .run = [](const Tensors& in, const Attributes&) { return in[0].size(1) > 4 ? in[0] * 2 : in[0].clone(); },
             .reference = [](const Arrays& in, const Attributes&) { return in[0]; }};
  CHECK(check_row(row).empty());
  const auto other = with_other_sizes(row, 1);
  REQUIRE(other);
  CHECK_FALSE(check_row(*other).empty());
}
