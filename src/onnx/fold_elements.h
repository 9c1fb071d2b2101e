#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "onnx/ops.h"

namespace tinyai {

using Operands = std::vector<std::shared_ptr<const Constant>>;  // null: left out

// What a node of one or two operands gives that works element by element; none if it does not.
Result<std::optional<Constant>> Elementwise(Importer& in, const OnnxNode& node,
                                            const Operands& operands);

}  // namespace tinyai
