#include "kernels/cublas/lt.h"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/numerics.h"
#include "kernels/nvidia/call.h"
#include "kernels/nvidia/library.h"

namespace weft::cublas {
namespace {

constexpr std::size_t kWorkspaceBytes = 32 << 20;  // what NVIDIA advises for compute capability 9.0; others take less
constexpr std::uint32_t kMostAlignment = 256;      // bytes; no algorithm asks for more

// The library's functions, looked up once.
struct Functions {
  const nvidia::Library& library = nvidia::cublaslt_library();
  decltype(&cublasLtCreate) create = library.function<decltype(cublasLtCreate)>("cublasLtCreate");
  decltype(&cublasLtGetStatusString) status_text =
      library.function<decltype(cublasLtGetStatusString)>("cublasLtGetStatusString");
  decltype(&cublasLtMatmul) matmul = library.function<decltype(cublasLtMatmul)>("cublasLtMatmul");
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic =
      library.function<decltype(cublasLtMatmulAlgoGetHeuristic)>("cublasLtMatmulAlgoGetHeuristic");
  decltype(&cublasLtMatmulDescCreate) create_product =
      library.function<decltype(cublasLtMatmulDescCreate)>("cublasLtMatmulDescCreate");
  decltype(&cublasLtMatmulDescDestroy) destroy_product =
      library.function<decltype(cublasLtMatmulDescDestroy)>("cublasLtMatmulDescDestroy");
  decltype(&cublasLtMatmulDescSetAttribute) set_product =
      library.function<decltype(cublasLtMatmulDescSetAttribute)>("cublasLtMatmulDescSetAttribute");
  decltype(&cublasLtMatrixLayoutCreate) create_layout =
      library.function<decltype(cublasLtMatrixLayoutCreate)>("cublasLtMatrixLayoutCreate");
  decltype(&cublasLtMatrixLayoutSetAttribute) set_layout =
      library.function<decltype(cublasLtMatrixLayoutSetAttribute)>("cublasLtMatrixLayoutSetAttribute");
  decltype(&cublasLtMatmulPreferenceCreate) create_preference =
      library.function<decltype(cublasLtMatmulPreferenceCreate)>("cublasLtMatmulPreferenceCreate");
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference =
      library.function<decltype(cublasLtMatmulPreferenceDestroy)>("cublasLtMatmulPreferenceDestroy");
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference =
      library.function<decltype(cublasLtMatmulPreferenceSetAttribute)>("cublasLtMatmulPreferenceSetAttribute");
};
const Functions& lt() {
  static const auto* const functions = new Functions;
  return *functions;
}

std::string describe(const Request& r) {
  return message(r.dtype, " (", r.gemm.n, ", ", r.gemm.k, ") x (", r.gemm.k, ", ", r.gemm.m, "), batch ",
                 r.gemm.batch.size, ", epilogue ", r.epilogue, ", on cuda:", r.device);
}
void check(cublasStatus_t status, const char* doing, const Request& r) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(ErrorKind::internal, "cublas.lt", doing, " fails: ", lt().status_text(status), "; ", describe(r));
}

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return CUDA_R_64F;
    case DType::f16: return CUDA_R_16F;
    case DType::bf16: return CUDA_R_16BF;
    default: return CUDA_R_32F;
  }
}
// 16-bit operands are multiplied exactly and summed in f32.
cublasComputeType_t compute_of(DType dtype, bool tf32) {
  if (dtype == DType::f64) return CUBLAS_COMPUTE_64F;
  return dtype == DType::f32 && tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}
cublasLtEpilogue_t epilogue_of(const Request& r) {
  switch (r.epilogue) {
    case Epilogue::none: return CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::bias: return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::relu: return CUBLASLT_EPILOGUE_RELU;
    case Epilogue::relu_bias: return CUBLASLT_EPILOGUE_RELU_BIAS;
    case Epilogue::gelu: return r.argument ? CUBLASLT_EPILOGUE_GELU_AUX : CUBLASLT_EPILOGUE_GELU;
    case Epilogue::gelu_bias: return r.argument ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS;
    case Epilogue::bias_gradient: return CUBLASLT_EPILOGUE_BGRADB;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

// The description of a product, for one call: it carries the address of the bias.
class Product {
 public:
  Product(const Request& r, bool tf32) {
    check(lt().create_product(&handle_, compute_of(r.dtype, tf32), r.dtype == DType::f64 ? CUDA_R_64F : CUDA_R_32F),
          "cublasLtMatmulDescCreate", r);
    set(r, CUBLASLT_MATMUL_DESC_TRANSA, r.gemm.first.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(r, CUBLASLT_MATMUL_DESC_TRANSB, r.gemm.second.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(r, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(r));
    if (r.vector) set(r, CUBLASLT_MATMUL_DESC_BIAS_POINTER, r.vector);
    if (!r.argument) return;
    set(r, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, r.argument);
    set(r, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, r.gemm.leading);
  }
  ~Product() { lt().destroy_product(handle_); }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  cublasLtMatmulDesc_t handle() const { return handle_; }

 private:
  template <typename T>
  void set(const Request& r, cublasLtMatmulDescAttributes_t attribute, T value) {
    check(lt().set_product(handle_, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute", r);
  }
  cublasLtMatmulDesc_t handle_ = nullptr;
};

// What the library chose for all requests of one kind. Kept for good.
struct Algorithm {
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;
  cublasLtMatmulAlgo_t choice{};
  std::size_t workspace_bytes = 0;
  std::string refusal{};
};

cublasLtMatrixLayout_t layout_of(const Request& r, std::int64_t rows, std::int64_t columns, std::int64_t leading,
                                 std::int64_t batch_stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(lt().create_layout(&layout, type_of(r.dtype), static_cast<std::uint64_t>(rows),
                           static_cast<std::uint64_t>(columns), leading),
        "cublasLtMatrixLayoutCreate", r);
  const auto count = static_cast<std::int32_t>(r.gemm.batch.size);
  if (count == 1) return layout;
  check(lt().set_layout(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), "setting the batch", r);
  check(lt().set_layout(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch_stride, sizeof batch_stride),
        "setting the batch's stride", r);
  return layout;
}

// The largest power of two, up to kMostAlignment, that divides the address and every step between calls.
std::uint32_t alignment(const void* address, const Request& r, std::int64_t BatchAxis::*stride) {
  auto bits = reinterpret_cast<std::uintptr_t>(address) | kMostAlignment;
  for (const BatchAxis& axis : r.gemm.outer) bits |= static_cast<std::uintptr_t>(axis.*stride) * bytes_of(r.dtype);
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}
struct Alignments {
  std::uint32_t first, second, result, vector;
};
Alignments alignments(const Request& r) {
  return {alignment(r.b, r, &BatchAxis::b), alignment(r.a, r, &BatchAxis::a), alignment(r.y, r, &BatchAxis::y),
          alignment(r.vector, {}, &BatchAxis::y)};
}

cublasLtHandle_t handle_of(const Request& r) {
  static std::mutex mutex;
  static auto* const handles = new std::unordered_map<int, cublasLtHandle_t>;
  const std::lock_guard lock(mutex);
  cublasLtHandle_t& handle = (*handles)[r.device];
  if (!handle) check(lt().create(&handle), "cublasLtCreate", r);
  return handle;
}

// Sums of split products are taken in f32 and in a fixed order.
cublasStatus_t choose(const Request& r, bool tf32, Algorithm& out) {
  cublasLtMatmulPreference_t preference = nullptr;
  check(lt().create_preference(&preference), "cublasLtMatmulPreferenceCreate", r);
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, decltype(&cublasLtMatmulPreferenceDestroy)> owner(
      preference, lt().destroy_preference);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check(lt().set_preference(preference, attribute, &value, sizeof value), "setting a preference", r);
  };
  const Alignments align = alignments(r);
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
      std::min<std::uint64_t>(kWorkspaceBytes, static_cast<std::uint64_t>(numerics().workspace_limit)));
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, align.first);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, align.second);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, align.result);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, align.result);
  const Product product(r, tf32);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status = lt().heuristic(handle_of(r), product.handle(), out.first, out.second, out.result,
                                               out.result, preference, 1, &found, &count);
  out.choice = found.algo;
  out.workspace_bytes = found.workspaceSize;
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  return count > 0 ? found.state : CUBLAS_STATUS_NOT_SUPPORTED;
}

Algorithm described(const Request& r) {
  const Gemm& g = r.gemm;
  return {.first = layout_of(r, g.first.rows, g.first.columns, g.first.leading, g.batch.b),
          .second = layout_of(r, g.second.rows, g.second.columns, g.second.leading, g.batch.a),
          .result = layout_of(r, g.m, g.n, g.leading, g.batch.y)};
}
Algorithm make(const Request& r, bool tf32) {
  Algorithm out = described(r);
  const cublasStatus_t status = choose(r, tf32, out);
  if (status != CUBLAS_STATUS_SUCCESS)
    out.refusal = message("cuBLASLt has no algorithm for ", describe(r), ": ", lt().status_text(status));
  return out;
}

// All that the choice depends on.
using Key = std::array<std::int64_t, 22>;
struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t hash = 0;
    for (const std::int64_t field : key) hash = (hash ^ static_cast<std::size_t>(field)) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
  }
};
Key key_of(const Request& r, bool tf32) {
  const Gemm& g = r.gemm;
  const Alignments align = alignments(r);
  return {g.m,
          g.n,
          g.k,
          g.leading,
          g.first.leading,
          g.second.leading,
          g.batch.size,
          g.batch.a,
          g.batch.b,
          g.batch.y,
          g.first.transposed,
          g.second.transposed,
          tf32,
          static_cast<int>(r.dtype),
          static_cast<int>(r.epilogue),
          r.device,
          align.first,
          align.second,
          align.result,
          align.vector,
          r.argument ? alignment(r.argument, {}, &BatchAxis::y) : 0,
          numerics().workspace_limit};
}

const Algorithm& algorithm(const Request& r) {
  static std::mutex mutex;
  static auto* const kept = new std::unordered_map<Key, std::unique_ptr<const Algorithm>, KeyHash>;
  const bool tf32 = r.dtype == DType::f32 && numerics().tf32;
  const Key key = key_of(r, tf32);
  const std::lock_guard lock(mutex);
  std::unique_ptr<const Algorithm>& found = (*kept)[key];
  if (!found) found = std::make_unique<const Algorithm>(make(r, tf32));
  return *found;
}

}  // namespace

std::string to_string(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::none: return "none";
    case Epilogue::bias: return "bias";
    case Epilogue::relu: return "relu";
    case Epilogue::relu_bias: return "relu_bias";
    case Epilogue::gelu: return "gelu";
    case Epilogue::gelu_bias: return "gelu_bias";
    case Epilogue::bias_gradient: return "bias_gradient";
  }
  return {};
}

std::string refusal(const Request& request) {
  if (const std::string& missing = nvidia::cublaslt_library().refusal(); !missing.empty()) return missing;
  if (!is_floating(request.dtype)) return message("the operands are ", request.dtype);
  if (!request.gemm.refusal.empty()) return request.gemm.refusal;
  const nvidia::OnDevice on(request.device);
  return algorithm(request).refusal;
}

void rehearse(const Request& request) {
  for (const bool tf32 : {false, true}) const Product product(request, tf32);
  described(request);
}

void run(const Request& r) {
  const nvidia::OnDevice on(r.device);
  const Algorithm& found = algorithm(r);
  const Product product(r, r.dtype == DType::f32 && numerics().tf32);
  const nvidia::Workspace workspace(r.device, found.workspace_bytes);
  const float one = 1, old = r.accumulate ? 1 : 0;
  const double one_f64 = 1, old_f64 = r.accumulate ? 1 : 0;
  const bool f64 = r.dtype == DType::f64;
  const auto stream = static_cast<cudaStream_t>(nvidia::current_stream(r.device));
  const auto size = static_cast<std::int64_t>(bytes_of(r.dtype));
  each_call(r.gemm, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_y) {
    const void* const first = static_cast<const std::byte*>(r.b) + at_b * size;
    const void* const second = static_cast<const std::byte*>(r.a) + at_a * size;
    void* const y = static_cast<std::byte*>(r.y) + at_y * size;
    check(lt().matmul(handle_of(r), product.handle(), f64 ? static_cast<const void*>(&one_f64) : &one, first,
                      found.first, second, found.second, f64 ? static_cast<const void*>(&old_f64) : &old, y,
                      found.result, y, found.result, &found.choice, workspace.data(), found.workspace_bytes, stream),
          "cublasLtMatmul", r);
  });
}

}  // namespace weft::cublas
