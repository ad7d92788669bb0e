#include "core/unpickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "core/error.h"
#include "core/utf8.h"

namespace weft {
namespace {

using Kind = Pickled::Kind;

constexpr std::string_view kOrderedDict = "collections OrderedDict";

// The opcodes that torch.save writes, and those that Python 2 wrote for strings. Named as in Python's pickletools.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyTuple = ')',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

constexpr int kProtocol = 2;

}  // namespace

// A stack of values, of which marks remember heights, and a memo of values by number.
class Pickle::Machine {
 public:
  Machine(Pickle& pickle, std::span<const std::byte> bytes, const std::string& where,
          std::span<const std::string_view> names)
      : pickle_(pickle), bytes_(bytes), where_(where), names_(names) {}

  void run() {
    if (next() != kProto || next() != kProtocol) refuse("expected a pickle of protocol 2, as torch.save writes it");
    while (true) {
      const std::uint8_t opcode = next();
      if (opcode == kStop) break;
      if (!constant(opcode) && !container(opcode) && !memo(opcode) && !call(opcode))
        refuse("opcode ", static_cast<int>(opcode), " does not occur in weights");
    }
    if (!marks_.empty() || stack_.size() != 1) refuse("STOP leaves ", stack_.size(), " values, expected one");
    pickle_.root_ = stack_.back();
    pickle_.bytes_ = at_;
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::data, where_, "byte ", at_ == 0 ? 0 : at_ - 1, ": ", parts...);
  }
  std::span<const std::byte> take(std::size_t n) {
    if (n > bytes_.size() - at_) refuse("expected ", n, " more bytes, ", bytes_.size() - at_, " are left");
    at_ += n;
    return bytes_.subspan(at_ - n, n);
  }
  std::uint8_t next() { return std::to_integer<std::uint8_t>(take(1)[0]); }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text(std::size_t n) {
    const std::span<const std::byte> bytes = take(n);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!is_utf8(text)) refuse("a string is not UTF-8");
    return text;
  }
  std::string line() {
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at_;
    const std::string_view left(begin, bytes_.size() - at_);
    const std::size_t end = left.find('\n');
    if (end == left.npos) refuse("a name without an end");
    at_ += end + 1;
    return std::string(left.substr(0, end));
  }

  Pickled& make(Kind kind) { return pickle_.values_.emplace_back(Pickled{.kind = kind}); }
  Pickled& push(Kind kind) {
    Pickled& value = make(kind);
    stack_.push_back(&value);
    return value;
  }
  // How many values lie above the last mark.
  std::size_t height() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  Pickled* pop() {
    if (height() == 0) refuse("a value is missing");
    Pickled* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Pickled& top(Kind kind, const char* what) {
    if (height() == 0 || !stack_.back()->is(kind)) refuse("expected ", what, " to add to");
    return *stack_.back();
  }
  std::vector<const Pickled*> pop_some(std::size_t n) {
    if (height() < n) refuse("a value is missing");
    std::vector<const Pickled*> values(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    return values;
  }
  std::vector<const Pickled*> pop_to_mark() {
    if (marks_.empty()) refuse("a mark is missing");
    std::vector<const Pickled*> values = pop_some(height());
    marks_.pop_back();
    return values;
  }

  bool constant(std::uint8_t opcode) {
    switch (opcode) {
      case kNone: push(Kind::none); return true;
      case kNewTrue: push(Kind::boolean).whole = 1; return true;
      case kNewFalse: push(Kind::boolean).whole = 0; return true;
      case kBinInt: push(Kind::whole).whole = number<std::int32_t>(); return true;
      case kBinInt1: push(Kind::whole).whole = number<std::uint8_t>(); return true;
      case kBinInt2: push(Kind::whole).whole = number<std::uint16_t>(); return true;
      case kLong1: long_number(number<std::uint8_t>()); return true;
      case kBinFloat: push(Kind::real).real = big_endian(number<std::uint64_t>()); return true;
      case kBinUnicode:
      case kBinString: push(Kind::text).text = text(number<std::uint32_t>()); return true;
      case kShortBinString: push(Kind::text).text = text(number<std::uint8_t>()); return true;
      default: return false;
    }
  }
  static double big_endian(std::uint64_t bits) { return std::bit_cast<double>(__builtin_bswap64(bits)); }
  // Little-endian two's complement of any length; beyond 64 bits it stays bytes.
  void long_number(std::size_t n) {
    const std::span<const std::byte> bytes = take(n);
    if (n > sizeof(std::int64_t)) {
      push(Kind::bytes).text.assign(reinterpret_cast<const char*>(bytes.data()), n);
      return;
    }
    const bool negative = n > 0 && std::to_integer<int>(bytes.back()) >= 128;
    std::int64_t value = negative ? -1 : 0;
    if (n > 0) std::memcpy(&value, bytes.data(), n);
    push(Kind::whole).whole = value;
  }

  bool container(std::uint8_t opcode) {
    switch (opcode) {
      case kMark: marks_.push_back(stack_.size()); return true;
      case kEmptyList: push(Kind::list); return true;
      case kEmptyDict: push(Kind::dictionary); return true;
      case kEmptyTuple: push(Kind::tuple); return true;
      case kTuple1: tuple(pop_some(1)); return true;
      case kTuple2: tuple(pop_some(2)); return true;
      case kTuple3: tuple(pop_some(3)); return true;
      case kTuple: tuple(pop_to_mark()); return true;
      case kAppend: append(pop_some(1)); return true;
      case kAppends: append(pop_to_mark()); return true;
      case kSetItem: set(pop_some(2)); return true;
      case kSetItems: set(pop_to_mark()); return true;
      default: return false;
    }
  }
  void tuple(std::vector<const Pickled*> items) { push(Kind::tuple).items = std::move(items); }
  static void add(Pickled& to, const std::vector<const Pickled*>& items) {
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void append(const std::vector<const Pickled*>& items) { add(top(Kind::list, "a list"), items); }
  void set(const std::vector<const Pickled*>& items) {
    Pickled& dictionary = top(Kind::dictionary, "a dictionary");
    if (items.size() % 2 != 0) refuse("a key of a dictionary has no value");
    add(dictionary, items);
  }

  bool memo(std::uint8_t opcode) {
    switch (opcode) {
      case kBinPut: put(number<std::uint8_t>()); return true;
      case kLongBinPut: put(number<std::uint32_t>()); return true;
      case kBinGet: get(number<std::uint8_t>()); return true;
      case kLongBinGet: get(number<std::uint32_t>()); return true;
      default: return false;
    }
  }
  void put(std::uint32_t number) {
    if (height() == 0) refuse("a value is missing");
    memo_[number] = stack_.back();
  }
  void get(std::uint32_t number) {
    const auto found = memo_.find(number);
    if (found == memo_.end()) refuse("value ", number, " of the memo is missing");
    stack_.push_back(found->second);
  }

  bool call(std::uint8_t opcode) {
    switch (opcode) {
      case kGlobal: name(); return true;
      case kReduce: reduce(); return true;
      case kBinPersId: {
        const Pickled* id = pop();
        push(Kind::persistent).items = {id};
        return true;
      }
      case kBuild: {  // attributes of an object, such as an ordered dictionary's _metadata: not needed
        pop();
        if (height() == 0) refuse("a value is missing");
        return true;
      }
      default: return false;
    }
  }
  void name() {
    const std::string module = line();
    std::string full = module + " " + line();
    if (std::ranges::find(names_, full) == names_.end())
      refuse("it asks for Python's ", full,
             ", which weights do not need and weft will not run; in PyTorch, save the state_dict() alone");
    push(Kind::name).text = std::move(full);
  }
  void reduce() {
    const Pickled* arguments = pop();
    const Pickled* callee = pop();
    if (!callee->is(Kind::name) || !arguments->is(Kind::tuple)) refuse("a call needs a name and a tuple");
    if (callee->text == kOrderedDict)
      ordered_dictionary(*arguments);
    else
      push(Kind::call).items = {callee, arguments};
  }
  // OrderedDict(), or Python 2's OrderedDict([[key, value], …]).
  void ordered_dictionary(const Pickled& arguments) {
    Pickled& dictionary = push(Kind::dictionary);
    if (arguments.items.empty()) return;
    const Pickled& pairs = *arguments.items[0];
    if (arguments.items.size() != 1 || !pairs.is(Kind::list)) refuse("an OrderedDict needs a list of pairs");
    copied_ += pairs.items.size();  // the memo could hand the same long list to many calls
    if (copied_ > bytes_.size()) refuse("OrderedDicts share their entries");
    for (const Pickled* pair : pairs.items) {
      if (!(pair->is(Kind::list) || pair->is(Kind::tuple)) || pair->items.size() != 2)
        refuse("an OrderedDict needs a list of pairs");
      add(dictionary, pair->items);
    }
  }

  Pickle& pickle_;
  std::span<const std::byte> bytes_;
  const std::string& where_;
  std::span<const std::string_view> names_;
  std::size_t at_ = 0, copied_ = 0;
  std::vector<Pickled*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Pickled*> memo_;
};

Pickle::Pickle(std::span<const std::byte> bytes, std::string where, std::span<const std::string_view> names) {
  Machine(*this, bytes, where, names).run();
}

}  // namespace weft
