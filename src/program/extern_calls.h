#pragma once

#include <functional>
#include <optional>

#include "lang/devices.h"
#include "lang/program.h"

namespace tinyai {

// The kernel of an extern function at a place: that of the place, or of its device. Null: none.
const ProgramExtern::Kernel* KernelAt(const ProgramExtern& function, const Devices::Place& place);

// Which extern a node calls at a place: of a class the first that has a kernel there. Nothing where
// none has, and of nodes that call no extern.
std::optional<uint32_t> ExternAt(const Program& program, const ExprNode& node,
                                 const Devices::Place& place);

// Each node that calls an extern or a class, with the eval that it is in: in the eval itself, in
// the loop that it is, and in functions that are called there. `visit` returns whether to go on.
using VisitExternCall = std::function<bool(const Eval&, const ExprNode&)>;
void EachExternCall(const Program& program, const Eval& eval, const VisitExternCall& visit);

}  // namespace tinyai
