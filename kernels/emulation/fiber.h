// Fiber: a function with a stack of its own that can stop in the middle and go on later, on one host thread. Switching
// costs some nanoseconds. Below each stack lies a page that nobody may touch.
#pragma once

#include <cstddef>

namespace weft::emulation {

class Fiber {
 public:
  using Body = void (*)();  // must not throw

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes the next resume() call the body from its beginning; what the fiber was doing before is forgotten.
  void restart(Body body);
  // Runs the fiber until it pauses or its body returns. Called from outside any fiber.
  void resume();
  // Called in a running fiber: goes back to its resume().
  static void pause();

 private:
  struct Context;
  static void enter();
  Context* context_;
};

}  // namespace weft::emulation
