// Picking by index. Forward: a thread per word of y (up to 16 bytes where slices and addresses allow it), bound by
// memory; an index that does not fit is reported and gives zeros. Backward adds without atomics, each sum in the order
// of the index, so that its bits are always the same:
//   gather_backward_columns  a thread owns a line of dy along the axis, and with it one of dx, and walks along
//   add_picked               few lines, or slices: a block owns a range of the axis, looks for the picks that fall into
//                            it, and adds them one after another, its threads sharing out the inner elements
#include "core/ops/index.h"

#include <algorithm>

#include "kernels/cuda/index_report.h"
#include "kernels/cuda/places.h"
#include "kernels/cuda/rows.h"

namespace weft::cuda::WEFT_CUDA_BUILD {
namespace {

constexpr unsigned kThreads = 256;

// A contiguous tensor seen as (outer, axis, inner).
struct View3 {
  std::int64_t outer = 1, size, inner = 1;
  View3(const Shape& shape, int axis) : size(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

struct alignas(16) Word16 {
  std::uint64_t half[2];
};
// Calls body.operator()<Word>() for the unsigned type of so many bytes.
template <typename Body>
void visit_word(std::size_t bytes, const Body& body) {
  switch (bytes) {
    case 1: return body.template operator()<std::uint8_t>();
    case 2: return body.template operator()<std::uint16_t>();
    case 4: return body.template operator()<std::uint32_t>();
    case 8: return body.template operator()<std::uint64_t>();
    default: return body.template operator()<Word16>();
  }
}
template <typename Word>
Word* words_of(const Tensor& x) {
  return static_cast<Word*>(x.raw());
}

// --- one-hot ---------------------------------------------------------------------------------------------------------

// Thread i writes the elements i, i + step, … of y (picks, classes); the one of class 0 checks the index.
template <typename Word>
__global__ void write_one_hot(std::int64_t elements, std::int64_t classes, Word one, const std::int64_t* index,
                              IndexReport* report, const char* op, Word* y) {
  for (std::int64_t i = first_item(); i < elements; i += item_step()) {
    const std::int64_t pick = quotient(i, classes), k = i - pick * classes, wanted = index[pick];
    if (k == 0) index_fits(report, op, false, wanted, pick, classes);
    y[i] = k == wanted ? one : Word(0);
  }
}

// The bits of 1.
template <typename Word>
Word one_of(DType dtype) {
  Word bits{};
  visit_any(dtype, "one_hot", [&]<typename T>() {
    if constexpr (sizeof(T) == sizeof(Word)) bits = std::bit_cast<Word>(static_cast<T>(Compute<T>(1)));
  });
  return bits;
}

void one_hot(const Tensor& index, const Tensor& y) {
  visit_word(bytes_of(y.dtype()), [&]<typename Word>() {
    if constexpr (!std::is_same_v<Word, Word16>)
      launch<write_one_hot<Word>>({.blocks = grid_for(y, y.elements(), kThreads), .threads = kThreads}, stream_of(y),
                                  y.elements(), y.shape().back(), one_of<Word>(y.dtype()), index.data<std::int64_t>(),
                                  index_report_of(y), "one_hot", words_of<Word>(y));
  });
}

// --- forward ---------------------------------------------------------------------------------------------------------

// y (outer, picks, words) = the slices of x (outer, size, words) that index names.
template <typename Word>
__global__ void select_slices(std::int64_t total, std::int64_t picks, std::int64_t size, std::int64_t words,
                              const std::int64_t* index, IndexReport* report, const char* op, const Word* x, Word* y) {
  for (std::int64_t i = first_item(); i < total; i += item_step()) {
    const std::int64_t slice = quotient(i, words), word = i - slice * words;
    const std::int64_t outer = quotient(slice, picks), pick = slice - outer * picks;
    const std::int64_t from = index[pick];
    const bool fits = from >= 0 && from < size;
    if (!fits && word == 0) index_fits(report, op, false, from, pick, size);
    Pack<Word, 1> value{};
    if (fits) value = load_pack<1>(x + (outer * size + from) * words + word);
    store_pack(y + i, value);
  }
}

void index_select(int axis, const Tensor& x, const Tensor& index, const Tensor& y) {
  const View3 view(x.shape(), axis);
  const std::size_t slice = static_cast<std::size_t>(view.inner) * bytes_of(x.dtype());
  if (y.elements() == 0) return;
  std::size_t bytes = 16;
  while (bytes > 1 &&
         (slice | reinterpret_cast<std::uintptr_t>(x.raw()) | reinterpret_cast<std::uintptr_t>(y.raw())) % bytes != 0)
    bytes /= 2;
  visit_word(bytes, [&]<typename Word>() {
    const auto words = static_cast<std::int64_t>(slice / sizeof(Word)), picks = index.elements();
    const std::int64_t total = view.outer * picks * words;
    launch<select_slices<Word>>({.blocks = grid_for(y, total, kThreads), .threads = kThreads}, stream_of(y), total,
                                picks, view.size, words, index.data<std::int64_t>(), index_report_of(y), "index_select",
                                words_of<Word>(x), words_of<Word>(y));
  });
}

// y[i] = x[place i of the other axes + index[i] * step].
template <typename Word>
__global__ void gather_words(std::int64_t elements, Places<2> others, std::int64_t step, std::int64_t size,
                             const std::int64_t* index, IndexReport* report, const char* op, const Word* x, Word* y) {
  for (std::int64_t i = first_item(); i < elements; i += item_step()) {
    std::int64_t at[2];
    others.locate(i, at);
    const std::int64_t from = index[i];
    y[i] = index_fits(report, op, false, from, i, size) ? x[at[0] + from * step] : Word(0);
  }
}

// The strides of contiguous x along the axes of index, but 0 along `axis`.
Strides strides_beside(const Shape& x, int axis) {
  Strides strides = canonical_strides(x, MemoryFormat::contiguous);
  strides[axis] = 0;
  return strides;
}

void gather(int axis, const Tensor& x, const Tensor& index, const Tensor& y) {
  const Strides own = canonical_strides(index.shape(), MemoryFormat::contiguous);
  const MergedAxes<2> merged(index.shape(), {strides_beside(x.shape(), axis), own}, 1);
  const std::int64_t step = canonical_strides(x.shape(), MemoryFormat::contiguous)[axis];
  visit_word(bytes_of(x.dtype()), [&]<typename Word>() {
    if constexpr (!std::is_same_v<Word, Word16>)
      launch<gather_words<Word>>({.blocks = grid_for(y, y.elements(), kThreads), .threads = kThreads}, stream_of(y),
                                 y.elements(), Places<2>(merged), step, x.shape()[axis], index.data<std::int64_t>(),
                                 index_report_of(y), "gather", words_of<Word>(x), words_of<Word>(y));
  });
}

// --- backward --------------------------------------------------------------------------------------------------------

// Lines of dy along the axis, and what they are added to; a kernel argument.
struct Lines {
  Places<2> places;  // of a line's start in dx and in dy and index
  std::int64_t count = 1;
  std::int64_t picks = 0;      // elements of a line of dy
  std::int64_t pick_step = 1;  // from one to the next
  std::int64_t size = 0;       // elements of a line of dx
  std::int64_t step = 1;       // from one to the next
};

template <typename T>
__global__ void gather_backward_columns(Lines lines, const std::int64_t* index, const T* dy, T* dx) {
  for (std::int64_t line = first_item(); line < lines.count; line += item_step()) {
    std::int64_t at[2];
    lines.places.locate(line, at);
    for (std::int64_t i = 0; i < lines.picks; ++i) {
      const std::int64_t from = at[1] + i * lines.pick_step, to = index[from];
      if (to >= 0 && to < lines.size) dx[at[0] + to * lines.step] += dy[from];
    }
  }
}

// What add_picked adds to what: dy (lines, picks, inner) to dx (lines, size, inner); a kernel argument.
struct Picking {
  Lines lines;              // of index; with slices, all lines have the same one
  std::int64_t inner = 1;   // adjacent elements of a slice
  std::int64_t range = 1;   // of the axis, for one block
  std::int64_t ranges = 1;  // of a line
  std::int64_t chunks = 1;  // blocks that share out the inner elements
};

// A block's item = (line, range of the axis, chunk of the inner elements). It reads the line's indices 256 at a time;
// those that fall into the range are put side by side in shared memory, in order, with the pick each came from, and
// are added one after another: thread i adds the elements i, i + 256, … of the chunk.
template <typename T>
__global__ void add_picked(Picking picking, bool slices, const std::int64_t* index, const T* dy, T* dx) {
  SharedMemory shared;
  std::int64_t* found = shared.array<std::int64_t>(kThreads);   // pick
  std::int64_t* target = shared.array<std::int64_t>(kThreads);  // its index
  int* in_warp = shared.array<int>(kThreads / kWarp);           // found by each
  const Lines& lines = picking.lines;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  const std::int64_t items = lines.count * picking.ranges * picking.chunks;
  for (std::int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const std::int64_t unit = quotient(item, picking.chunks), chunk = item - unit * picking.chunks;
    const std::int64_t line = quotient(unit, picking.ranges), low = (unit - line * picking.ranges) * picking.range;
    const std::int64_t high = low + picking.range < lines.size ? low + picking.range : lines.size;
    std::int64_t at[2];
    lines.places.locate(line, at);
    for (std::int64_t first = 0; first < lines.picks; first += kThreads) {
      const std::int64_t pick = first + thread;
      std::int64_t to = -1;
      if (pick < lines.picks) to = index[(slices ? 0 : at[1]) + pick * (slices ? 1 : lines.pick_step)];
      const bool mine = to >= low && to < high;
      const unsigned all = __ballot_sync(kAllLanes, mine);
      if (lane == 0) in_warp[warp] = __popc(all);
      __syncthreads();
      int before = __popc(all & ((1u << lane) - 1)), count = 0;
      for (int w = 0; w < static_cast<int>(kThreads) / kWarp; ++w) {
        if (w < warp) before += in_warp[w];
        count += in_warp[w];
      }
      if (mine) found[before] = pick, target[before] = to;
      __syncthreads();
      for (std::int64_t k = chunk * kThreads + thread; k < picking.inner; k += picking.chunks * kThreads)
        for (int i = 0; i < count; ++i)  // the lists are written again behind the next barrier
          dx[at[0] + target[i] * lines.step + k] += dy[at[1] + found[i] * lines.pick_step + k];
    }
  }
}

template <typename T>
void launch_add_picked(Picking picking, bool slices, const Tensor& index, const Tensor& dy, const Tensor& dx) {
  // About 1024 blocks: as many chunks as the inner elements give, the axis in ranges of what is left.
  const std::int64_t size = picking.lines.size, lines = picking.lines.count;
  picking.chunks = std::clamp<std::int64_t>(ceil_div<std::int64_t>(picking.inner, kThreads), 1, 1024);
  const std::int64_t ranges =
      std::clamp<std::int64_t>(1024 / (picking.chunks * lines), 1, std::max<std::int64_t>(1, size));
  picking.range = ceil_div(size, ranges);
  picking.ranges = ceil_div(size, picking.range);
  const std::int64_t items = lines * picking.ranges * picking.chunks;
  launch<add_picked<T>>({.blocks = grid_for(dx, items * kThreads, kThreads),
                         .threads = kThreads,
                         .shared_bytes = 2 * kThreads * sizeof(std::int64_t) + kThreads / kWarp * sizeof(int)},
                        stream_of(dx), picking, slices, index.data<std::int64_t>(), dy.data<T>(), dx.data<T>());
}

// f32 or f64.
template <typename Body>
void visit_sums(DType dtype, const Body& body) {
  dtype == DType::f64 ? body.template operator()<double>() : body.template operator()<float>();
}

void index_select_backward_run(int axis, const Tensor& index, const Tensor& dy, const Tensor& dx) {
  if (dx.elements() == 0 || dy.elements() == 0) return;
  const View3 view(dx.shape(), axis);
  const std::int64_t picks = index.elements();
  const Shape outer = {view.outer};
  const MergedAxes<2> merged(outer, {Strides{view.size * view.inner}, Strides{picks * view.inner}}, 0);
  const Lines lines{.places = Places<2>(merged),
                    .count = view.outer,
                    .picks = picks,
                    .pick_step = view.inner,
                    .size = view.size,
                    .step = view.inner};
  visit_sums(dx.dtype(),
             [&]<typename T>() { launch_add_picked<T>({.lines = lines, .inner = view.inner}, true, index, dy, dx); });
}

void gather_backward_run(int axis, const Tensor& index, const Tensor& dy, const Tensor& dx) {
  if (dx.elements() == 0 || dy.elements() == 0) return;
  const Strides own = canonical_strides(index.shape(), MemoryFormat::contiguous);
  Shape others = index.shape();
  others[axis] = 1;
  const MergedAxes<2> merged(others, {strides_beside(dx.shape(), axis), own}, 1);
  const Lines lines{.places = Places<2>(merged),
                    .count = others.elements(),
                    .picks = index.shape()[axis],
                    .pick_step = own[axis],
                    .size = dx.shape()[axis],
                    .step = canonical_strides(dx.shape(), MemoryFormat::contiguous)[axis]};
  visit_sums(dx.dtype(), [&]<typename T>() {
    // A walk along the axis is slow: lines must be many or short to hide that.
    if (lines.picks > 64 && lines.count < 4096) return launch_add_picked<T>({.lines = lines}, false, index, dy, dx);
    launch<gather_backward_columns<T>>({.blocks = grid_for(dx, lines.count, kThreads), .threads = kThreads},
                                       stream_of(dx), lines, index.data<std::int64_t>(), dy.data<T>(), dx.data<T>());
  });
}

[[maybe_unused]] const bool registered[] = {
    one_hot_forward.add({.device = kThisDevice, .name = "cuda.elements", .rank = 100, .run = one_hot}),
    gather_forward.add({.device = kThisDevice, .name = "cuda.elements", .rank = 100, .run = gather}),
    gather_backward.add({.device = kThisDevice, .name = "cuda.lines", .rank = 100, .run = gather_backward_run}),
    index_select_forward.add({.device = kThisDevice, .name = "cuda.words", .rank = 100, .run = index_select}),
    index_select_backward.add(
        {.device = kThisDevice, .name = "cuda.ranges", .rank = 100, .run = index_select_backward_run}),
};

}  // namespace
}  // namespace weft::cuda::WEFT_CUDA_BUILD
