#include "core/dtype.h"

namespace weft {
namespace {

struct Name {
  std::string_view ours, common;
};
constexpr Name kNames[kDTypes] = {{"f32", "float32"}, {"f64", "float64"}, {"f16", "float16"}, {"bf16", "bfloat16"},
                                  {"i32", "int32"},   {"i64", "int64"},   {"u8", "uint8"},    {"boolean", "bool"}};

}  // namespace

std::string to_string(DType dtype) { return std::string(kNames[static_cast<int>(dtype)].ours); }

std::optional<DType> parse_dtype(std::string_view name) {
  for (int i = 0; i < kDTypes; ++i)
    if (name == kNames[i].ours || name == kNames[i].common) return static_cast<DType>(i);
  return std::nullopt;
}

void refuse_dtype(DType dtype, std::string_view op, std::string_view wanted) {
  fail(ErrorKind::usage, op, "needs ", wanted, ", got ", dtype, "; convert with .to(DType)");
}

}  // namespace weft
