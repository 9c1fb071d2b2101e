#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "device/extern_kernels.h"
#include "device/lower_eval.h"
#include "device/program_input.h"
#include "device/scratch.h"
#include "lang/devices.h"
#include "lang/program.h"

namespace tinyai {

class TiledStage;

// Computes evals of a program on the CPU, one at a time. One for each place: it has memory of its
// own for what lives inside an eval. What it is made of outlives it.
class Interpreter {
 public:
  // How deep functions may call each other, bounded by the stack of the thread that computes.
  static constexpr uint32_t kMostCalls = 2000;
  static constexpr size_t kStackBytes = size_t{16} << 20;

  // `kernels`: has all that the program calls at the place; null where it calls none.
  Interpreter(const Program& program, const Devices::Place& place, const ExternKernels* kernels);
  ~Interpreter();

  // Computes `eval` from tensors at `ins` to tensors at `outs`, both in the eval's order; of
  // kOutput, outs[0] takes the result. An out may be the same memory as an in, not a part of one.
  // Of a merge only the value of the arm that was taken is read. `input` may be null where the eval
  // reads none. Errors: PROGRAM_INPUT, PROGRAM_LOOP (more iterations than `max` says),
  // PROGRAM_DEPTH (calls), KERNEL_FAILED at the offset of its statement, CANCELLED once *stop is
  // true.
  Status Compute(EvalId eval, std::span<const std::byte* const> ins,
                 std::span<std::byte* const> outs, ProgramInput* input);

  // A whole number was divided by zero since the last call.
  bool TakeTrap() { return std::exchange(trapped_, false); }
  void StopOn(const std::atomic<bool>* stop) { stop_ = stop; }
  // Takes what loops give out while they run.
  using Output = std::function<void(const Eval&, const std::byte*)>;
  void GiveTo(Output output) { output_ = std::move(output); }

 private:
  struct Ready;  // an eval's stages, made when it is first computed
  struct Body;   // the evals of a scope and of the arms inside it, in order
  struct Memory;

  Ready& ReadyEval(EvalId eval);
  const Body& BodyOf(ScopeId scope);

  Status ComputeStages(Ready& ready, std::span<const std::byte* const> ins,
                       std::span<std::byte* const> outs);
  Status ComputeStage(Ready& ready, size_t stage, const Memory& memory);
  Status Call(const Stage& stage, const Memory& memory);
  Status CallExtern(const Ready& ready, const Stage& stage, const Memory& memory);
  Status Loop(const ProgramLoop& loop);
  Status RunBody(ScopeId scope);
  Status RunInside(EvalId eval);
  void TakeDefs(ScopeId scope);

  const Program& program_;
  const Devices::Place& place_;
  const ExternKernels* const kernels_;
  std::vector<std::unique_ptr<Ready>> ready_;  // by eval
  std::vector<std::unique_ptr<Body>> bodies_;  // by scope
  std::vector<std::byte*> defs_;               // by def: where it lies, inside loops and calls
  Scratch scratch_;
  ProgramInput* input_ = nullptr;
  Output output_;
  const std::atomic<bool>* stop_ = nullptr;
  uint32_t calls_ = 0;
  bool trapped_ = false;
};

}  // namespace tinyai
