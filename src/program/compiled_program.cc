#include "program/compiled_program.h"

namespace tinyai {

std::optional<NetValueId> CompiledProgram::ValueOf(DefId def, MemoryId memory) const {
  for (size_t i = 0; i < def_of.size(); ++i) {
    if (def_of[i] == def && net.values[i].memory == memory) return NetValueId(i);
  }
  return std::nullopt;
}

std::optional<NetValueId> CompiledProgram::TestOf(NetOpId op) const {
  if (!body || program.loops[body->loop].index) return std::nullopt;
  const auto* carry = std::get_if<work::Carry>(&work[Index(op)]);
  const bool always = carry != nullptr && carry->step == work::Carry::Step::kOpen;
  if (always || std::holds_alternative<work::Move>(work[Index(op)])) return std::nullopt;
  const DefId condition = program.loops[body->loop].condition;
  for (const NetValueId in : net.op(op).ins) {
    if (def_of[Index(in)] == condition) return in;
  }
  return std::nullopt;
}

}  // namespace tinyai
