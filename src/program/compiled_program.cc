#include "program/compiled_program.h"

namespace tinyai {

std::optional<NetValueId> CompiledProgram::ValueOf(DefId def, MemoryId memory) const {
  for (size_t i = 0; i < def_of.size(); ++i) {
    if (def_of[i] == def && net.values[i].memory == memory) return NetValueId(i);
  }
  return std::nullopt;
}

}  // namespace tinyai
