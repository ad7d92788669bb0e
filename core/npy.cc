#include "core/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

namespace weft {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read and written as memory");

constexpr char kMagic[] = "\x93NUMPY";
constexpr std::size_t kMagicBytes = 6;
constexpr std::size_t kAlignment = 64;  // of the data in the file
constexpr std::size_t kLargestHeader = 1 << 20;

constexpr std::array<std::pair<const char*, DType>, 7> kDTypeNames = {{{"f4", DType::f32},
                                                                       {"f8", DType::f64},
                                                                       {"f2", DType::f16},
                                                                       {"i4", DType::i32},
                                                                       {"i8", DType::i64},
                                                                       {"u1", DType::u8},
                                                                       {"b1", DType::boolean}}};

struct Header {
  DType dtype = DType::f32;
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
};

// Reads the header: a Python dictionary like {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderParser {
 public:
  HeaderParser(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  Header parse() {
    std::optional<std::string> type;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
    expect('{');
    while (!next_is('}')) {
      const std::string key = string();
      expect(':');
      const bool repeated =
          (key == "descr" && type) || (key == "fortran_order" && fortran_order) || (key == "shape" && shape);
      if (repeated) refuse("each key once");
      if (key == "descr") {
        if (peek() == '[') refuse("a plain type (arrays of records are not read)");
        type = string();
      } else if (key == "fortran_order") {
        fortran_order = boolean();
      } else if (key == "shape") {
        shape = tuple();
      } else {
        refuse("the keys descr, fortran_order and shape only");
      }
      if (!next_is(',') && peek() != '}') refuse("',' or '}'");
    }
    if (peek() != '\0') refuse("nothing after the dictionary");
    if (!type || !fortran_order || !shape) refuse("all of the keys descr, fortran_order and shape");
    Header header = {.fortran_order = *fortran_order, .shape = *shape};
    set_dtype(header, *type);
    return header;
  }

 private:
  [[noreturn]] void refuse(const char* wanted) const {
    fail(ErrorKind::data, file_, "header, character ", position_, ": expected ", wanted);
  }
  // The next character that is not white space; 0 at the end.
  char peek() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool next_is(char wanted) {
    if (peek() != wanted) return false;
    ++position_;
    return true;
  }
  void expect(char wanted) {
    const char text[] = {'\'', wanted, '\'', '\0'};
    if (!next_is(wanted)) refuse(text);
  }
  std::string string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse("a string");
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string::npos) refuse("the end of the string");
    const std::string value = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return value;
  }
  bool boolean() {
    peek();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (std::string_view(text_).substr(position_, word.size()) == word) {
        position_ += word.size();
        return value;
      }
    }
    refuse("True or False");
  }
  std::int64_t size() {
    constexpr std::int64_t kLargest = std::int64_t{1} << 56;
    if (const char first = peek(); first < '0' || first > '9') refuse("a size");
    std::int64_t value = 0;
    while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
      value = 10 * value + (text_[position_++] - '0');
      if (value > kLargest) refuse("a size that a file can hold");
    }
    if (position_ < text_.size() && text_[position_] == 'L') ++position_;  // Python 2 wrote 3L
    return value;
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!next_is(')')) {
      if (shape.rank() == kMaxRank) refuse("at most 8 axes");
      shape.push_back(size());
      if (!next_is(',') && peek() != ')') refuse("',' or ')'");
    }
    return shape;
  }
  void set_dtype(Header& header, const std::string& type) const {
    const char order = type.empty() ? '\0' : type[0];
    const bool marked = order == '<' || order == '>' || order == '|' || order == '=';
    const std::string name = marked ? type.substr(1) : type;
    for (const auto& [known, dtype] : kDTypeNames) {
      if (name != known) continue;
      header.dtype = dtype;
      header.big_endian = order == '>';
      return;
    }
    const bool maybe_bfloat16 = name == "V2" || name == "bfloat16";
    fail(ErrorKind::data, file_, "the array is of type '", type, "', weft reads f2, f4, f8, i4, i8, u1 and b1",
         maybe_bfloat16 ? "; store bf16 as f4" : "");
  }

  const std::string& text_;
  const std::string& file_;
  std::size_t position_ = 0;
};

// Bytes of the data, checked against what the file has left before anything is allocated.
std::uint64_t data_bytes(const Header& header, std::uint64_t available, const std::string& file) {
  std::uint64_t product = 1;  // zeros left out, because strides multiply without them
  for (const std::int64_t size : header.shape) {
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    constexpr std::uint64_t kLimit = std::uint64_t{1} << 56;
    require_data(factor <= kLimit / product, file, "shape ", header.shape, " is too large for any file");
    product *= factor;
  }
  const std::uint64_t expected = static_cast<std::uint64_t>(header.shape.elements()) * bytes_of(header.dtype);
  require_data(expected == available, file, "expected ", expected, " bytes of data for ", header.shape, " ",
               header.dtype, ", found ", available);
  return expected;
}

void swap_bytes(std::span<std::byte> bytes, std::size_t width) {
  for (std::size_t i = 0; i < bytes.size(); i += width) {
    std::reverse(bytes.data() + i, bytes.data() + i + width);
  }
}

// The stored array has its first axis innermost: the transpose of a row-major array of the reversed shape.
Tensor from_fortran_order(const Tensor& stored, const Shape& shape) {
  Shape reversed;
  std::vector<int> axes;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    reversed.push_back(shape[axis]);
    axes.push_back(axis);
  }
  return stored.reshape(reversed).permute(axes).contiguous();
}

}  // namespace

Tensor read_npy(const ByteSource& source) {
  const std::string& file = source.name();
  std::array<std::uint8_t, 12> start = {};
  const std::span bytes = std::as_writable_bytes(std::span(start));
  source.read(0, bytes.first(kMagicBytes + 2));
  require_data(std::memcmp(start.data(), kMagic, kMagicBytes) == 0, file,
               "offset 0: expected a .npy file (\\x93NUMPY)");
  const int version = start[kMagicBytes];
  require_data(version >= 1 && version <= 3 && start[kMagicBytes + 1] == 0, file,
               "offset 6: expected version 1.0, 2.0 or 3.0, found ", version, ".", int{start[kMagicBytes + 1]});
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  source.read(kMagicBytes + 2, bytes.subspan(kMagicBytes + 2, length_bytes));
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= std::size_t{start[kMagicBytes + 2 + i]} << (8 * i);
  require_data(length <= kLargestHeader, file, "offset 8: expected a header of at most ", kLargestHeader,
               " bytes, found ", length);
  std::string text(length, '\0');
  const std::uint64_t header_at = kMagicBytes + 2 + length_bytes;
  source.read(header_at, std::as_writable_bytes(std::span(text)));
  const Header header = HeaderParser(text, file).parse();
  const std::uint64_t data_at = header_at + length;
  const std::uint64_t expected = data_bytes(header, source.bytes() - data_at, file);

  const Tensor stored = empty(header.shape, {.dtype = header.dtype});
  const std::span<std::byte> data(static_cast<std::byte*>(stored.raw()), expected);
  source.read(data_at, data);
  if (header.big_endian) swap_bytes(data, bytes_of(header.dtype));
  if (header.dtype == DType::boolean) {
    for (std::byte& value : data) value = std::byte{value != std::byte{0}};  // as NumPy understands them
  }
  return header.fortran_order && header.shape.rank() > 1 ? from_fortran_order(stored, header.shape) : stored;
}

Tensor read_npy(const std::string& path) { return read_npy(ByteSource(path)); }

void write_npy(const std::string& path, const Tensor& x) {
  require(x.defined(), path, "the tensor is undefined");
  const auto type = std::find_if(kDTypeNames.begin(), kDTypeNames.end(),
                                 [&](const auto& known) { return known.second == x.dtype(); });
  require(type != kDTypeNames.end(), path, "a .npy file cannot hold ", x.dtype(), "; convert with .to(DType::f32)");
  std::string shape;
  for (int axis = 0; axis < x.rank(); ++axis) shape += message(axis > 0 ? ", " : "", x.size(axis));
  if (x.rank() == 1) shape += ',';
  std::string header = message("{'descr': '", bytes_of(x.dtype()) == 1 ? '|' : '<', type->first,
                               "', 'fortran_order': False, 'shape': (", shape, "), }");
  // The same bytes as NumPy's: room for the first size to grow to 21 digits, then up to the alignment.
  constexpr std::size_t kBefore = kMagicBytes + 4, kDigits = 21;
  if (x.rank() > 0) header.append(kDigits - std::to_string(x.size(0)).size(), ' ');
  header.append(kAlignment - (kBefore + header.size() + 1) % kAlignment, ' ');
  header += '\n';
  const char length[] = {static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  const Tensor host = x.detach().to(Device{}).contiguous();
  AtomicFile file(path);
  file.write(std::string_view(kMagic, kMagicBytes));
  file.write(std::string_view("\1\0", 2));
  file.write(std::string_view(length, 2));
  file.write(header);
  file.write({static_cast<const std::byte*>(host.raw()), host.bytes()});
  file.commit();
}

}  // namespace weft
