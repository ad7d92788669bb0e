// Plans kept in files: what is read back, what is passed over, and what the key tells apart.
#if WEFT_HAS_CUDNN
#include "kernels/cudnn/plan_cache.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/ops/conv2d.h"
#include "kernels/cudnn/profiles.h"
#include "kernels/nvidia/library.h"
#include "tests/catch.h"
#include "tests/scratch.h"
#include "tests/variable.h"

using namespace weft;
using namespace weft::cudnn;
using tests::Scratch;
using tests::Variable;

namespace {

bool cudnn_is_here() {
  if (nvidia::cudnn_library().found()) return true;
  WARN(nvidia::cudnn_library().missing());
  return false;
}

Convolution example() {
  return convolution(Direction::forward, DType::bf16, MemoryFormat::channels_last, {8, 16, 14, 14}, {32, 16, 3, 3},
                     {.padding = 1});
}

std::string only_file(const Scratch& scratch) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) files.push_back(entry.path());
  REQUIRE(files.size() == 1);
  return files[0];
}

using Counts = std::pair<int, int>;  // plans built, plans restored

Counts ask_once(const Scratch& scratch, const Gpu& gpu) {
  PlanCache cache(gpu.identity(), scratch.path());
  const Outcome outcome = cache.find(example(), gpu);
  REQUIRE(outcome.plan);
  CHECK(cache.find(example(), gpu).plan == outcome.plan);  // the second time from memory
  return {cache.built(), cache.restored()};
}

}  // namespace

TEST_CASE("where cuDNN does not start there is a refusal that names version and GPU, and no error") {
  if (!cudnn_is_here()) return;
  const OpenedGpu opened = current_gpu("some GPU");
  if (opened.gpu) {
    CHECK(opened.refusal == "");
    CHECK_THAT(opened.gpu->identity(), contains("some GPU | cudnn " + library_version()));
  } else {  // there is no driver
    CHECK_THAT(opened.refusal, contains("cuDNN " + library_version()));
    CHECK_THAT(opened.refusal, contains("does not start on some GPU: CUDNN_STATUS"));
  }
}

TEST_CASE("a plan is built once, kept, and restored with its engine and workspace by the next process") {
  if (!cudnn_is_here()) return;
  const Scratch scratch;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  PlanCache first(gpu->identity(), scratch.path()), second(gpu->identity(), scratch.path());
  const Outcome built = first.find(example(), *gpu), restored = second.find(example(), *gpu);
  REQUIRE(built.plan);
  REQUIRE(restored.plan);
  CHECK(Counts{first.built(), first.restored()} == Counts{1, 0});
  CHECK(Counts{second.built(), second.restored()} == Counts{0, 1});
  CHECK(restored.plan->engine() == built.plan->engine());
  CHECK(restored.plan->workspace_bytes() == built.plan->workspace_bytes());
}

TEST_CASE("damaged, foreign and open files are passed over and replaced") {
  if (!cudnn_is_here()) return;
  const Scratch scratch;
  const auto gpu = described_gpu(properties_of("h200"), "h200");
  CHECK(ask_once(scratch, *gpu) == Counts{1, 0});
  const std::string path = only_file(scratch), whole = read_text_file(path);
  CHECK(ask_once(scratch, *gpu) == Counts{0, 1});

  const auto replaced_by = [&](const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
    const Counts counts = ask_once(scratch, *gpu);
    CHECK(decode(read_text_file(path), path).key == decode(whole, path).key);  // a whole plan stands there again
    return counts;
  };
  CHECK(replaced_by("") == Counts{1, 0});
  CHECK(replaced_by(whole.substr(0, whole.size() / 2)) == Counts{1, 0});
  CHECK(replaced_by(whole + "x") == Counts{1, 0});
  std::string flipped = whole;
  flipped[flipped.size() - 9] ^= 1;
  CHECK(replaced_by(flipped) == Counts{1, 0});
  CHECK(replaced_by(encode({"another call", "eng1", {1, 2, 3}})) == Counts{1, 0});
  // A right hash over bytes that are no plan: the library's own reader has the last word.
  const std::string key = plan_key(example(), gpu->identity());
  CHECK(replaced_by(encode({key, "eng1", {'{', 1, 2, 3}})) == Counts{1, 0});
  CHECK(replaced_by(encode({key, "eng1", {}})) == Counts{1, 0});

  ::chmod(path.c_str(), 0666);
  CHECK(ask_once(scratch, *gpu) == Counts{1, 0});
}

TEST_CASE("a folder that cannot be written costs a warning, not a plan") {
  if (!cudnn_is_here()) return;
  const Scratch scratch;
  std::ofstream(scratch / "file") << "in the way";
  const auto gpu = described_gpu(properties_of("a100"), "a100");
  PlanCache cache(gpu->identity(), scratch / "file/plans");
  CHECK(cache.find(example(), *gpu).plan);
}

TEST_CASE("a plan's file says what is wrong with it") {
  const PlanFile plan{"key", "eng1", {0, 10, 255}};
  const std::string text = encode(plan);
  CHECK(decode(text, "f").bytes == plan.bytes);
  CHECK(decode(text, "f").engine == "eng1");
  CHECK_THROWS_WITH(decode("weft", "f"), "f: is no plan of this version of weft");
  CHECK_THROWS_WITH(decode(text.substr(0, text.size() - 1), "f"), "f: is damaged: its hash is not that of its content");
}

TEST_CASE("a plan's file that lost its end or had one byte changed is never taken for whole") {
  const std::string text = encode({"key", "eng1_k2=4", {1, 2, 3, 4, 5, 6, 7, 8}});
  for (std::size_t i = 0; i < text.size(); ++i) {
    CHECK_THROWS_AS(decode(std::string_view(text).substr(0, i), "f"), Error);
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
    CHECK_THROWS_AS(decode(changed, "f"), Error);
  }
}

TEST_CASE("the key tells apart all that a plan depends on") {
  const Convolution base = example();
  const ConvolutionHash hash;
  std::set<std::string> keys = {plan_key(base, "gpu")}, files = {plan_file_name(plan_key(base, "gpu"))};
  std::set<std::size_t> hashes = {hash(base)};
  const auto differs = [&](auto&& change) {
    Convolution other = base;
    change(other);
    keys.insert(plan_key(other, "gpu"));
    files.insert(plan_file_name(plan_key(other, "gpu")));
    hashes.insert(hash(other));
    CHECK(!(other == base));
  };
  for (auto field : {&Convolution::n, &Convolution::c, &Convolution::h, &Convolution::w, &Convolution::k,
                     &Convolution::r, &Convolution::s, &Convolution::p, &Convolution::q, &Convolution::workspace_limit})
    differs([&](Convolution& v) { v.*field += 1; });
  for (auto field : {&Convolution::stride_h, &Convolution::stride_w, &Convolution::padding_h, &Convolution::padding_w,
                     &Convolution::dilation_h, &Convolution::dilation_w})
    differs([&](Convolution& v) { v.*field += 1; });
  for (auto flag : {&Convolution::bias, &Convolution::relu, &Convolution::tf32, &Convolution::nondeterministic})
    differs([&](Convolution& v) { v.*flag = true; });
  differs([](Convolution& v) { v.groups = 2; });
  differs([](Convolution& v) { v.direction = Direction::backward_weight; });
  differs([](Convolution& v) { v.dtype = DType::f16; });
  differs([](Convolution& v) { v.format = MemoryFormat::contiguous; });
  const std::size_t kinds = 1 + 10 + 6 + 4 + 4;
  CHECK(keys.size() == kinds);
  CHECK(files.size() == kinds);
  CHECK(hashes.size() == kinds);
  CHECK(plan_key(base, "gpu") != plan_key(base, "gpu, another driver"));
}

TEST_CASE("plans are kept in the user's cache folder") {
  const Variable cache("XDG_CACHE_HOME", "/x"), home("HOME", "/h");
  CHECK(plan_folder() == "/x/weft/cudnn-plans");
  const Variable none("XDG_CACHE_HOME", nullptr);
  CHECK(plan_folder() == "/h/.cache/weft/cudnn-plans");
  const Variable homeless("HOME", nullptr);
  CHECK(plan_folder() == "");
}
#endif
