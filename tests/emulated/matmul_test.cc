// Products that the op table is too small for: those that get the wide tiles of the tensor cores.
#include "core/ops/matmul.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/emulation/emulation.h"
#include "tests/catch.h"
#include "tests/cli/program.h"

using namespace weft;
using Catch::Matchers::Contains;

namespace {

constexpr Device kEmulated{DeviceKind::emulated, 0};
constexpr std::int64_t kBatch = 130;  // tiles enough for a whole device

// Whole numbers small enough that f16 and bf16 hold them and sums of some 30 products exactly.
Tensor whole_numbers(const Shape& shape, int seed, DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = double((i * 7 + i / 5 * 3 + std::size_t(seed)) % 5) - 2;
  return tensor(shape, values, {.dtype = dtype});
}

// The product on the device, also through transposed views, against three plain loops.
void check_wide(bool turn_a, bool turn_b, DType dtype) {
  constexpr std::int64_t m = 8, k = 16, n = 136;
  const Tensor a = whole_numbers(turn_a ? Shape{kBatch, k, m} : Shape{kBatch, m, k}, 1, dtype).to(kEmulated);
  const Tensor b = whole_numbers(turn_b ? Shape{kBatch, n, k} : Shape{kBatch, k, n}, 4, dtype).to(kEmulated);
  const Tensor y = matmul(turn_a ? a.transpose() : a, turn_b ? b.transpose() : b);
  const std::vector<double> left = a.to_vector(), right = b.to_vector(), result = y.to_vector();
  CHECK_THAT(emulation::allocation_of(y.raw())->writer, Contains("TensorTile<128, 256"));
  std::int64_t wrong = 0;
  for (std::int64_t at = 0; at < kBatch * m * n; ++at) {
    const std::int64_t batch = at / (m * n), i = at / n % m, j = at % n;
    double sum = 0;
    for (std::int64_t s = 0; s < k; ++s)
      sum += left[std::size_t(batch * m * k + (turn_a ? s * m + i : i * k + s))] *
             right[std::size_t(batch * k * n + (turn_b ? j * k + s : s * n + j))];
    wrong += result[std::size_t(at)] != sum;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("large products of 16-bit floats get wide tiles, which multiply right in every order of the operands") {
  check_wide(false, false, DType::bf16);
  check_wide(false, true, DType::f16);
  check_wide(true, false, DType::bf16);
}

TEST_CASE("products and convolutions take no more shared memory than the device has, and say when that is too little") {
  const auto candidate = [](const char* shared, const std::vector<std::string>& words) {
    std::vector<std::string> all = {"op",       words[0],   "--shape",       words[1],   "--dtype",
                                    "f16",      "--format", "channels-last", "--repeat", "1",
                                    "--device", "emulated", "--json"};
    const tests::Finished finished = tests::run_weft(all, {message("WEFT_EMULATOR=shared=", shared)});
    INFO(finished.err);
    REQUIRE(finished.code == 0);
    return nlohmann::json::parse(finished.out)["forward"]["kernels"].back()["candidate"].get<std::string>();
  };
  // The second and the last are large enough for wide tiles.
  const std::vector<std::vector<std::string>> calls = {{"matmul", "64x128,128x64"},
                                                       {"matmul", "130x8x16,130x16x136"},
                                                       {"conv2d", "1x8x5x5,16x8x3x3,16"},
                                                       {"conv2d", "1x8x128x129,136x8x1x1,136"}};
  for (const auto& call : calls) {
    INFO(call[0] << " " << call[1]);
    CHECK(candidate("227", call) == "cuda.tensor_cores");  // H100, H200
    CHECK(candidate("163", call) == "cuda.tensor_cores");  // A100
    CHECK(candidate("99", call) == "cuda.tiles");          // RTX 4090
  }
  const tests::Finished refused =
      tests::run_weft({"op", "matmul", "--shape", "64x128,128x64", "--dtype", "f16", "--repeat", "1", "--device",
                       "emulated", "--kernel", "matmul_forward=cuda.tensor_cores"},
                      {"WEFT_EMULATOR=shared=99"});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("bytes of shared memory, and this device has 101376"));
}
