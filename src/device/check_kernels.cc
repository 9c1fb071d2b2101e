#include "device/check_kernels.h"

#include "device/extern_kernels.h"
#include "fmt/format.h"
#include "program/extern_calls.h"

namespace tinyai {
namespace {

Status CheckFunction(const ProgramExtern& called, const std::string& name,
                     const ExternKernels::Function* function) {
  if (function == nullptr) {
    return Fail(ErrorCode::kUnsupported, "PROGRAM_EXTERN",
                fmt::format("kernel '{0}' of extern function '{1}' is not there; --kernels FILE.so "
                            "gives a library whose table has a '{0}'",
                            name, called.name));
  }
  if (!function->type || IsOfType(called, *function->type)) return {};
  return Fail(ErrorCode::kUnsupported, "KERNEL_TYPE",
              fmt::format("kernel '{}' is {}, and extern function '{}' is declared as {}", name,
                          function->type_text, called.name, KernelTypeText(called)));
}

Status CheckShader(const ProgramExtern& called, const std::string& name,
                   const ExternKernels* kernels) {
  if (kernels != nullptr && kernels->FindShader(name) != nullptr) return {};
  return Fail(ErrorCode::kUnsupported, "PROGRAM_EXTERN",
              fmt::format("kernel '{0}' of extern function '{1}' is not there for a GPU; --kernels "
                          "{0}.comp gives its GLSL",
                          name, called.name));
}

Status CheckEval(const RunState& state, const Eval& eval, PlaceId id) {
  const Program& program = state.program.program;
  const Devices::Place& place = state.program.devices.places[Index(id)];
  const ExternKernels* const kernels = state.options.kernels;
  Status status;
  EachExternCall(program, eval, [&](const Eval& calling, const ExprNode& node) {
    const ProgramExtern& called = program.externs[*ExternAt(program, node, place)];
    const std::string& name = KernelAt(called, place)->name;
    status = state.places[Index(id)]->on_gpu
                 ? CheckShader(called, name, kernels)
                 : CheckFunction(called, name,
                                 kernels != nullptr ? kernels->FindFunction(name) : nullptr);
    if (!status) {
      status = tl::unexpected(AtEval(program, calling, place, std::move(status).error()));
    }
    return status.has_value();
  });
  return status;
}

}  // namespace

Status CheckKernels(const RunState& state) {
  const CompiledProgram& compiled = state.program;
  if (compiled.program.externs.empty()) return {};
  for (size_t place = 0; place < compiled.plan.queues.size(); ++place) {
    for (const NetCommand& command : compiled.plan.queues[place]) {
      const auto* work = std::get_if<work::Evaluate>(&compiled.work[Index(command.op)]);
      if (work == nullptr) continue;
      TRY(CheckEval(state, compiled.program.eval(work->eval), PlaceId(place)));
    }
  }
  for (const auto& loop : state.loops) TRY(CheckKernels(*loop));
  return {};
}

Error AtEval(const Program& program, const Eval& eval, const Devices::Place& place, Error error) {
  const std::string what = eval.outs.empty() ? "output" : program.def(eval.outs[0]).name;
  error.message = fmt::format("'{}' at {}: {}", what, place.name, error.message);
  error.offset = eval.where.begin;
  return error;
}

}  // namespace tinyai
