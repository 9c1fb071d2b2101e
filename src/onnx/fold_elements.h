#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "onnx/ops.h"

namespace tinyai {

using Operands = std::vector<std::shared_ptr<const Constant>>;  // null: left out

// Cut off, and kept within what 64 bits hold; NaN becomes 0.
int64_t Whole(double value);

// Whether a constant of these dims may be computed; else why not.
Status CheckSize(Importer& in, const Dims& dims);

// What a node of one or two operands gives that works element by element; none if it does not.
Result<std::optional<Constant>> Elementwise(Importer& in, const OnnxNode& node,
                                            const Operands& operands);

}  // namespace tinyai
