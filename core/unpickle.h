// Pickle: Python's serialised objects (protocol 2, which torch.save writes) read as a tree of plain values. Nothing is
// imported, called or built: a call stays a node that names its callee. Opcodes that weights do not need, and names
// that the reader did not list, are refused, so a file can neither run code nor ask for memory beyond its own size.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/export.h"

namespace weft {

// One value. Values may refer to each other in any way a hostile file likes, circles included: walk them to a depth.
struct Pickled {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    whole,
    real,
    text,
    bytes,
    list,
    tuple,
    dictionary,
    name,
    call,
    persistent
  };
  Kind kind = Kind::none;
  std::int64_t whole = 0;  // also of a boolean
  double real = 0;
  std::string text = {};  // also the bytes of a whole number beyond 64 bits, and "module name" of a name
  // list, tuple: elements; dictionary: key, value, key, value, …; call: callee and its tuple; persistent: its id.
  std::vector<const Pickled*> items = {};

  bool is(Kind wanted) const { return kind == wanted; }
};

class WEFT_API Pickle {
 public:
  // Reads up to STOP. `names` are the globals that may occur, as "module name"; `where` starts each error.
  Pickle(std::span<const std::byte> bytes, std::string where, std::span<const std::string_view> names);
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  const Pickled& root() const { return *root_; }
  const std::deque<Pickled>& values() const { return values_; }  // all, in the order of the file
  std::size_t bytes() const { return bytes_; }                   // of the pickle, STOP included

 private:
  class Machine;
  std::deque<Pickled> values_;
  const Pickled* root_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace weft
