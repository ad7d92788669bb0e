#include "kernels/cudnn/graph.h"

#include <cudnn_frontend.h>

#include <algorithm>

#include "kernels/nvidia/library.h"

// What the front end looks its functions up in; set before the first of its calls.
namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;
}

namespace weft::cudnn {

namespace fe = cudnn_frontend;

struct Gpu::Parts {
  std::string identity;
  std::shared_ptr<fe::DeviceProperties> properties;  // of a GPU that is described
  cudnnHandle_t handle = nullptr;                    // of one that is here
};
struct Plan::Parts {
  mutable fe::graph::Graph graph;
};

namespace {

using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;

void open_library() {
  const nvidia::Library& library = nvidia::cudnn_library();
  require(library.found(), "cudnn", library.missing());
  fe::cudnn_dlhandle = library.handle();
}

std::string versions() {
  return message("cudnn ", library_version(), " for CUDA ", library_toolkit(), " frontend ", frontend_version());
}

// The front end's messages have several lines; weft's have one.
std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' || c == '\r' ? ' ' : c;
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

fe::DataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return fe::DataType_t::DOUBLE;
    case DType::f16: return fe::DataType_t::HALF;
    case DType::bf16: return fe::DataType_t::BFLOAT16;
    default: return fe::DataType_t::FLOAT;
  }
}

// Describes the convolution's tensors and nodes to one graph.
class Builder {
 public:
  Builder(const Convolution& v, fe::graph::Graph& graph) : v_(v), graph_(graph) {
    const fe::DataType_t compute = v.dtype == DType::f64 ? fe::DataType_t::DOUBLE : fe::DataType_t::FLOAT;
    graph.set_io_data_type(type_of(v.dtype)).set_intermediate_data_type(compute).set_compute_data_type(compute);
  }

  void build() {
    switch (v_.direction) {
      case Direction::forward: return forward();
      case Direction::backward_data: return backward_data();
      case Direction::backward_weight: return backward_weight();
    }
  }

 private:
  using Mode = fe::PointwiseMode_t;
  static constexpr fe::DataType_t kNumbers = fe::DataType_t::FLOAT;

  std::vector<std::int64_t> x_shape() const { return {v_.n, v_.c, v_.h, v_.w}; }
  std::vector<std::int64_t> weight_shape() const { return {v_.k, v_.c / v_.groups, v_.r, v_.s}; }
  std::vector<std::int64_t> y_shape() const { return {v_.n, v_.k, v_.p, v_.q}; }
  std::vector<std::int64_t> strides(Operand uid, const std::vector<std::int64_t>& shape) const {
    const std::int64_t pitch = uid == kX ? v_.x_pitch : uid == kY ? v_.y_pitch : 0;
    const Strides canonical = canonical_strides(Shape(std::span<const std::int64_t>(shape)), v_.format, pitch);
    return {canonical.begin(), canonical.end()};
  }

  Tensor input(Operand uid, const char* name, const std::vector<std::int64_t>& shape) {
    return graph_.tensor(
        fe::graph::Tensor_attributes().set_uid(uid).set_name(name).set_dim(shape).set_stride(strides(uid, shape)));
  }
  void output(Operand uid, const char* name, const std::vector<std::int64_t>& shape, const Tensor& tensor) {
    tensor->set_uid(uid).set_name(name).set_output(true).set_data_type(type_of(v_.dtype));
    tensor->set_dim(shape).set_stride(strides(uid, shape));
  }
  // Numbers per channel of x.
  Tensor per_channel(Operand uid, const char* name, fe::DataType_t type) {
    return graph_.tensor(fe::graph::Tensor_attributes()
                             .set_uid(uid)
                             .set_name(name)
                             .set_dim({1, v_.c, 1, 1})
                             .set_stride({v_.c, 1, v_.c, v_.c})
                             .set_data_type(type));
  }
  static void per_channel_output(Operand uid, const char* name, const Tensor& tensor) {
    tensor->set_uid(uid).set_name(name).set_output(true).set_data_type(kNumbers);
  }
  template <typename... Inputs>
  Tensor pointwise(Mode mode, const Inputs&... inputs) {
    return graph_.pointwise(inputs..., fe::graph::Pointwise_attributes().set_mode(mode));
  }
  Tensor relu(const Tensor& x) { return pointwise(Mode::RELU_FWD, x); }
  // relu(x * scale + shift), which is never written.
  Tensor normalized(const Tensor& x) {
    const fe::DataType_t type = type_of(v_.dtype);
    const Tensor scale = per_channel(kScale, "scale", type), shift = per_channel(kShift, "shift", type);
    const Tensor h = relu(pointwise(Mode::ADD, pointwise(Mode::MUL, x, scale), shift));
    h->set_data_type(type);
    return h;
  }
  template <typename Attributes>
  Attributes options() const {
    return Attributes()
        .set_padding({v_.padding_h, v_.padding_w})
        .set_stride({v_.stride_h, v_.stride_w})
        .set_dilation({v_.dilation_h, v_.dilation_w});
  }

  void forward() {
    const Tensor x = input(kX, "x", x_shape()), weight = input(kWeight, "weight", weight_shape());
    Tensor y =
        graph_.conv_fprop(v_.normalized ? normalized(x) : x, weight, options<fe::graph::Conv_fprop_attributes>());
    if (v_.bias) y = pointwise(Mode::ADD, y, input(kBias, "bias", {1, v_.k, 1, 1}));
    if (v_.relu) y = relu(y);
    output(kY, "y", y_shape(), y);
    if (!v_.statistics) return;
    const auto sums = graph_.genstats(y, fe::graph::Genstats_attributes());
    per_channel_output(kSum, "sum", sums[0]);
    per_channel_output(kSquares, "squares", sums[1]);
  }
  void backward_data() {
    const Tensor dy = input(kY, "dy", y_shape()), weight = input(kWeight, "weight", weight_shape());
    const Tensor dx = graph_.conv_dgrad(dy, weight, options<fe::graph::Conv_dgrad_attributes>());
    if (!v_.normalized) return output(kX, "dx", x_shape(), dx);
    dx->set_dim(x_shape()).set_data_type(type_of(v_.dtype));
    const Tensor x = input(kX, "x", x_shape());
    const Tensor mean = per_channel(kMean, "mean", kNumbers),
                 inverse = per_channel(kInverseDeviation, "inverse", kNumbers);
    const Tensor scale = per_channel(kNormWeight, "weight", kNumbers), shift = per_channel(kNormBias, "bias", kNumbers);
    const Tensor z = pointwise(
        Mode::ADD, pointwise(Mode::MUL, pointwise(Mode::MUL, pointwise(Mode::SUB, x, mean), inverse), scale), shift);
    const Tensor dz = pointwise(Mode::RELU_BWD, dx, z);
    output(kDz, "dz", x_shape(), dz);
    const auto sums = graph_.dbn_weight(dz, x, mean, inverse, scale, fe::graph::DBN_weight_attributes());
    constexpr Operand names[] = {kNormWeightGradient, kNormBiasGradient, kUnread1, kUnread2, kUnread3};
    for (std::size_t i = 0; i < sums.size(); ++i) per_channel_output(names[i], "sums", sums[i]);
  }
  void backward_weight() {
    const Tensor dy = input(kY, "dy", y_shape()), x = input(kX, "x", x_shape());
    const Tensor read = v_.normalized ? normalized(x) : x;
    const Tensor dw = graph_.conv_wgrad(dy, read, options<fe::graph::Conv_wgrad_attributes>());
    output(kWeight, "dw", weight_shape(), dw);
  }

  const Convolution& v_;
  fe::graph::Graph& graph_;
};

// Bars the engines whose sums are not those that the convolution asks for.
void bar_engines(const Convolution& v, fe::graph::Graph& graph) {
  using Note = fe::NumericalNote_t;
  // 16-bit operands are summed in f32, and no operand is rounded to fewer bits than it has.
  std::vector<Note> barred = {Note::DOWN_CONVERT_INPUTS, Note::REDUCED_PRECISION_REDUCTION};
  if (!v.nondeterministic) barred.push_back(Note::NONDETERMINISTIC);
  // f32 on tensor cores is TF32; transforms lose digits too.
  if (v.dtype == DType::f32 && !v.tf32)
    for (const Note note : {Note::TENSOR_CORE, Note::WINOGRAD, Note::FFT}) barred.push_back(note);
  graph.deselect_numeric_notes(barred);
  graph.deselect_behavior_notes({fe::BehaviorNote_t::RUNTIME_COMPILATION});
}

std::string mebibytes(std::int64_t bytes) { return message((bytes + (1 << 20) - 1) >> 20, " MiB"); }

Outcome first_engine(const Convolution& v, std::unique_ptr<Plan::Parts> parts) {
  fe::graph::Graph& graph = parts->graph;
  std::int64_t least = -1;
  for (std::int64_t i = 0; i < graph.get_execution_plan_count(); ++i) {
    if (graph.build_plan_at_index(i).is_bad()) continue;
    const std::int64_t bytes = graph.get_workspace_size_plan_at_index(i);
    if (bytes > v.workspace_limit) {
      least = least < 0 ? bytes : std::min(least, bytes);
      continue;
    }
    std::string engine;
    if (graph.get_plan_name_at_index(i, engine).is_bad()) engine = "unnamed";
    return {std::make_shared<Plan>(engine, bytes, std::move(parts)), ""};
  }
  if (least >= 0)
    return {nullptr,
            message("cuDNN needs ", mebibytes(least), " of workspace and may take ", mebibytes(v.workspace_limit))};
  return {nullptr,
          message("cuDNN ", library_version(), " has no precompiled", v.nondeterministic ? "" : ", deterministic",
                  " engine for it", v.dtype == DType::f32 && !v.tf32 ? " without TF32" : "")};
}

// The front end reports by status, and throws where a symbol is missing or JSON is not what it should be.
template <typename F>
Outcome guarded(F&& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    return {nullptr, "cuDNN's front end: " + one_line(error.what())};
  }
}

// Older front ends have no say about the warm-up, which captures a graph on the device for nothing.
template <typename Graph>
fe::error_t deserialize(Graph& graph, cudnnHandle_t handle, const std::vector<std::uint8_t>& bytes) {
  if constexpr (requires { graph.deserialize(handle, bytes, false, false); })
    return graph.deserialize(handle, bytes, false, false);
  else
    return graph.deserialize(handle, bytes);
}

std::string words_of(cudnnStatus_t status) {
  return message(fe::detail::get_error_string(status), " ", one_line(fe::detail::get_last_error_string_()));
}
void check(cudnnStatus_t status, std::string_view where) {
  if (status != CUDNN_STATUS_SUCCESS) fail(ErrorKind::internal, where, "cuDNN fails: ", words_of(status));
}

}  // namespace

Gpu::Gpu(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Gpu::~Gpu() = default;
const std::string& Gpu::identity() const { return parts_->identity; }

Plan::Plan(std::string engine, std::int64_t workspace_bytes, std::unique_ptr<Parts> parts)
    : engine_(std::move(engine)), workspace_bytes_(workspace_bytes), parts_(std::move(parts)) {}
Plan::~Plan() = default;

std::vector<std::uint8_t> Plan::serialized() const {
  std::vector<std::uint8_t> bytes;
  try {
    if (parts_->graph.serialize(bytes, false).is_bad()) bytes.clear();
  } catch (const std::exception&) {
    bytes.clear();
  }
  return bytes;
}

std::unique_ptr<Gpu> described_gpu(std::string_view properties, const std::string& where) {
  open_library();
  auto parts = std::make_unique<Gpu::Parts>();
  parts->properties = std::make_shared<fe::DeviceProperties>();
  fe::error_t status = parts->properties->deserialize({properties.begin(), properties.end()});
  if (status.is_bad())
    fail(ErrorKind::data, where, "cuDNN ", library_version(),
         " (>= 9.8 is needed) does not read these properties of a ", "GPU: ", one_line(status.get_message()));
  std::string text = one_line(std::string(properties));
  std::erase(text, ' ');
  parts->identity = message("described ", text, " | ", versions());
  return std::make_unique<Gpu>(std::move(parts));
}

std::string own_properties(int device) {
  open_library();
  fe::DeviceProperties properties;
  std::vector<std::uint8_t> json;
  fe::error_t status = properties.set_device_id(device).build();
  if (status.is_good()) status = properties.serialize(json);
  if (status.is_bad())
    fail(ErrorKind::usage, "plan", "cuDNN ", library_version(), " (>= 9.8 is needed) does not describe cuda:", device,
         ": ", one_line(status.get_message()));
  return {json.begin(), std::find(json.begin(), json.end(), 0)};
}

OpenedGpu current_gpu(const std::string& name) {
  open_library();
  auto parts = std::make_unique<Gpu::Parts>();
  if (const cudnnStatus_t status = fe::detail::create_handle(&parts->handle); status != CUDNN_STATUS_SUCCESS)
    return {nullptr, message("cuDNN ", library_version(), " for CUDA ", library_toolkit(), " does not start on ", name,
                             ": ", words_of(status))};
  parts->identity = message(name, " | ", versions());
  return {std::make_unique<Gpu>(std::move(parts)), ""};
}

Outcome build_plan(const Convolution& v, const Gpu& gpu) {
  if (std::string words = refusal(v); !words.empty()) return {nullptr, words};
  return guarded([&]() -> Outcome {
    auto parts = std::make_unique<Plan::Parts>();
    fe::graph::Graph& graph = parts->graph;
    Builder(v, graph).build();
    if (gpu.parts().properties) graph.set_device_properties(gpu.parts().properties);
    fe::error_t status = graph.validate();
    if (status.is_good()) status = graph.build_operation_graph(gpu.parts().handle);
    if (status.is_bad()) return {nullptr, "cuDNN does not take the graph: " + one_line(status.get_message())};
    if (graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}).is_good()) bar_engines(v, graph);
    return first_engine(v, std::move(parts));
  });
}

Outcome restore_plan(const Gpu& gpu, const std::string& engine, std::span<const std::uint8_t> bytes) {
  return guarded([&]() -> Outcome {
    auto parts = std::make_unique<Plan::Parts>();
    fe::graph::Graph& graph = parts->graph;
    const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    if (gpu.parts().properties) graph.set_device_properties(gpu.parts().properties);
    fe::error_t status =
        gpu.parts().properties ? graph.deserialize(copy) : deserialize(graph, gpu.parts().handle, copy);
    if (status.is_bad()) return {nullptr, one_line(status.get_message())};
    const std::int64_t workspace = graph.get_workspace_size();
    return {std::make_shared<Plan>(engine, workspace, std::move(parts)), ""};
  });
}

void run_plan(const Plan& plan, const Gpu& gpu, void* stream, const Operands& operands, void* workspace,
              std::string_view where) {
  const cudnnHandle_t handle = gpu.parts().handle;
  ensure(handle != nullptr, "a plan for a described GPU cannot run");
  check(fe::detail::set_stream(handle, static_cast<cudaStream_t>(stream)), where);
  std::unordered_map<std::int64_t, void*> pointers(operands.begin(), operands.end());
  fe::error_t status = plan.parts().graph.execute(handle, pointers, workspace);
  if (status.is_bad())
    fail(ErrorKind::internal, where, "cuDNN fails in engine ", plan.engine(), ": ", one_line(status.get_message()));
}

std::string library_version() {
  open_library();
  const std::size_t version = fe::detail::get_backend_version();
  return message(version / 10000, ".", version / 100 % 100, ".", version % 100);
}

int library_toolkit() {
  const std::size_t version = nvidia::cudnn_library().function<std::size_t()>("cudnnGetCudartVersion")();
  return static_cast<int>(version / 1000);
}

std::string frontend_version() {
  return message(CUDNN_FRONTEND_MAJOR_VERSION, ".", CUDNN_FRONTEND_MINOR_VERSION, ".", CUDNN_FRONTEND_PATCH_VERSION);
}

}  // namespace weft::cudnn
