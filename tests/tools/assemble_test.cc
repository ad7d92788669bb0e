// What settings do to the process before a run.
#include "tools/assemble.h"

#include "core/numerics.h"
#include "tests/catch.h"

using namespace weft;

TEST_CASE("the flag --tf32 reaches the kernels, and f32 is exact without it") {
  train::Config config;
  config.tf32 = true;
  cli::prepare_process(config);
  CHECK(numerics().tf32);
  config.tf32 = false;
  cli::prepare_process(config);
  CHECK(!numerics().tf32);
  CHECK(!numerics().nondeterministic);
}
