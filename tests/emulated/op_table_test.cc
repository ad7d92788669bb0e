// Every row of the op table on the emulated device: all dtypes, memory formats, gradients and candidates. In parts, so
// that ctest runs them side by side.
#include "tests/catch.h"
#include "tools/op_check.h"

using namespace weft;
using namespace weft::tools;

namespace {

constexpr std::size_t kParts = 6;

void check_part(std::size_t part) {
  REQUIRE(op_cases().size() > 100);
  for (std::size_t i = part; i < op_cases().size(); i += kParts)
    for (const Complaint& text : check_row(op_cases()[i], {DeviceKind::emulated, 0})) CHECK(text == "");
}

}  // namespace

TEST_CASE("the op table holds on the emulated device, part 1 of 6") { check_part(0); }
TEST_CASE("the op table holds on the emulated device, part 2 of 6") { check_part(1); }
TEST_CASE("the op table holds on the emulated device, part 3 of 6") { check_part(2); }
TEST_CASE("the op table holds on the emulated device, part 4 of 6") { check_part(3); }
TEST_CASE("the op table holds on the emulated device, part 5 of 6") { check_part(4); }
TEST_CASE("the op table holds on the emulated device, part 6 of 6") { check_part(5); }
