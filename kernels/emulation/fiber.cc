#include "kernels/emulation/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <new>

#include "kernels/emulation/watch.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace weft::emulation {
namespace {

constexpr std::size_t kStackBytes = kWatched ? 512 * 1024 : 128 * 1024;
constexpr std::size_t kPage = 4096;

}  // namespace

// Where a fiber, or whoever resumed it, goes on: a stack pointer on x86-64, else what the C library saves.
#if defined(__x86_64__)
struct Place86 {
  void* stack_pointer = nullptr;
};
using Saved = Place86;
extern "C" void weft_switch_stack(void** save, void* load);
// Pushes what the calling convention keeps, swaps stack pointers, pops.
asm(R"(
.text
.hidden weft_switch_stack
.globl weft_switch_stack
.type weft_switch_stack,@function
weft_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size weft_switch_stack,.-weft_switch_stack
)");
#else
using Saved = ucontext_t;
#endif

struct Fiber::Context {
  std::byte* stack = nullptr;
  Body body = nullptr;
  Saved here;
  void* fake_stack = nullptr;  // AddressSanitizer's, while paused
};

namespace {

Fiber* running = nullptr;
Saved outside;
[[maybe_unused]] void* outside_fake_stack = nullptr;  // for AddressSanitizer
[[maybe_unused]] const void* outside_stack = nullptr;
[[maybe_unused]] std::size_t outside_stack_bytes = 0;

void switch_to(Saved& from, Saved& to) {
#if defined(__x86_64__)
  weft_switch_stack(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from, &to);
#endif
}

}  // namespace

Fiber::Fiber() : context_(new Context) {
  void* memory = ::mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  ::mprotect(memory, kPage, PROT_NONE);
  context_->stack = static_cast<std::byte*>(memory) + kPage;
}

Fiber::~Fiber() {
  ::munmap(context_->stack - kPage, kStackBytes + kPage);
  delete context_;
}

void Fiber::enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &outside_stack, &outside_stack_bytes);
#endif
  running->context_->body();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, outside_stack, outside_stack_bytes);
#endif
  switch_to(running->context_->here, outside);
  __builtin_unreachable();
}

void Fiber::restart(Body body) {
  context_->body = body;
  allow(context_->stack, kStackBytes);  // of frames that were left without returning
#if defined(__x86_64__)
  auto* top = reinterpret_cast<void**>(context_->stack + kStackBytes);
  *--top = nullptr;  // a return address that is never used: the stack is aligned as at a call
  *--top = reinterpret_cast<void*>(&Fiber::enter);
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers that the switch pops
  context_->here.stack_pointer = top;
#else
  getcontext(&context_->here);
  context_->here.uc_stack.ss_sp = context_->stack;
  context_->here.uc_stack.ss_size = kStackBytes;
  context_->here.uc_link = nullptr;
  makecontext(&context_->here, &Fiber::enter, 0);
#endif
}

void Fiber::resume() {
  running = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&outside_fake_stack, context_->stack, kStackBytes);
#endif
  switch_to(outside, context_->here);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(outside_fake_stack, nullptr, nullptr);
#endif
  running = nullptr;
}

void Fiber::pause() {
  Context* self = running->context_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&self->fake_stack, outside_stack, outside_stack_bytes);
#endif
  switch_to(self->here, outside);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(self->fake_stack, &outside_stack, &outside_stack_bytes);
#endif
}

}  // namespace weft::emulation
