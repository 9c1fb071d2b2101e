#include <algorithm>

#include "base/checked.h"
#include "fmt/format.h"
#include "solve/order.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 60;  // levels and their differences fit in int64_t
constexpr uint32_t kNobody = UINT32_MAX;

tl::unexpected<Error> Bad(const std::string& what) {
  return Fail(ErrorCode::kBadFile, "BAD_PROBLEM", what);
}

using Names = std::span<const std::string>;

std::string Called(uint32_t tensor, Names names) {
  return tensor < names.size() ? fmt::format("'{}'", names[tensor]) : fmt::to_string(tensor);
}

Status CheckNumbers(const OrderProblem& problem) {
  const size_t count = problem.tensor_bytes.size();
  const auto check = [&](const std::vector<uint32_t>& tensors, const std::string& where) -> Status {
    for (const uint32_t tensor : tensors) {
      if (tensor >= count) return Bad(fmt::format("{}: there is no tensor {}", where, tensor));
    }
    return {};
  };
  if (problem.ops.size() >= kNobody || count >= kNobody)
    return Bad("more than 2^32 - 2 ops or tensors");
  TRY(check(problem.inputs, "inputs"));
  TRY(check(problem.outputs, "outputs"));
  for (size_t i = 0; i < problem.ops.size(); ++i) {
    TRY(check(problem.ops[i].ins, fmt::format("ins of op {}", i)));
    TRY(check(problem.ops[i].outs, fmt::format("outs of op {}", i)));
  }
  return {};
}

Status CheckSum(const OrderProblem& problem, Names names) {
  uint64_t sum = 0;
  const auto add = [&](uint64_t bytes) {
    const std::optional<uint64_t> more = CheckedAdd(sum, bytes);
    sum = more.value_or(kMostBytes);
    return sum < kMostBytes;
  };
  for (size_t i = 0; i < problem.tensor_bytes.size(); ++i) {
    if (!add(problem.tensor_bytes[i]))
      return Bad(fmt::format("tensor {}: bytes sum up to 2^60 or more",
                             Called(static_cast<uint32_t>(i), names)));
  }
  for (size_t i = 0; i < problem.ops.size(); ++i) {
    if (!add(problem.ops[i].workspace_bytes)) {
      return Bad(fmt::format("op {}: bytes sum up to 2^60 or more", i));
    }
  }
  return {};
}

Result<std::vector<uint32_t>> FindMakers(const OrderProblem& problem, Names names) {
  std::vector<uint32_t> makers(problem.tensor_bytes.size(), kNobody);
  for (uint32_t i = 0; i < problem.ops.size(); ++i) {
    for (const uint32_t out : problem.ops[i].outs) {
      if (makers[out] != kNobody && makers[out] != i) {
        return Bad(fmt::format("tensor {} is made by op {} and again by op {}", Called(out, names),
                               makers[out], i));
      }
      makers[out] = i;
    }
  }
  for (const uint32_t in : problem.inputs) {
    if (makers[in] != kNobody) {
      return Bad(
          fmt::format("tensor {} is an input, but op {} makes it", Called(in, names), makers[in]));
    }
  }
  std::vector<uint8_t> given(problem.tensor_bytes.size(), 0);
  for (const uint32_t in : problem.inputs) given[in] = 1;
  for (uint32_t i = 0; i < problem.ops.size(); ++i) {
    for (const uint32_t in : problem.ops[i].ins) {
      if (makers[in] != kNobody || given[in]) continue;
      return Bad(fmt::format("op {} reads tensor {}, which is no input and which no op makes", i,
                             Called(in, names)));
    }
  }
  for (const uint32_t out : problem.outputs) {
    if (makers[out] != kNobody || given[out]) continue;
    return Bad(fmt::format("output {} is no input, and no op makes it", Called(out, names)));
  }
  return makers;
}

Status CheckNoCycle(const OrderProblem& problem, const std::vector<uint32_t>& makers) {
  std::vector<uint32_t> missing(problem.ops.size(), 0), ready;
  std::vector<std::vector<uint32_t>> readers(problem.tensor_bytes.size());
  for (uint32_t i = 0; i < problem.ops.size(); ++i) {
    for (const uint32_t in : problem.ops[i].ins) {
      if (makers[in] == kNobody) continue;
      ++missing[i];
      readers[in].push_back(i);
    }
    if (missing[i] == 0) ready.push_back(i);
  }
  for (size_t at = 0; at < ready.size(); ++at) {
    for (const uint32_t out : problem.ops[ready[at]].outs) {
      for (const uint32_t reader : readers[out]) {
        if (--missing[reader] == 0) ready.push_back(reader);
      }
      readers[out].clear();  // `outs` may name it twice
    }
  }
  const auto stuck =
      std::find_if(missing.begin(), missing.end(), [](uint32_t count) { return count > 0; });
  if (stuck == missing.end()) return {};
  return Bad(fmt::format("op {} is on a cycle of ops, or behind one", stuck - missing.begin()));
}

tl::unexpected<Error> NoOrder(const std::string& what) {
  return Fail(ErrorCode::kOther, "BAD_SOLUTION", what);
}

}  // namespace

Status CheckOrderProblem(const OrderProblem& problem, Names names) {
  TRY(CheckNumbers(problem));
  TRY(CheckSum(problem, names));
  TRY_ASSIGN(const std::vector<uint32_t> makers, FindMakers(problem, names));
  return CheckNoCycle(problem, makers);
}

Result<uint64_t> PeakOfOrder(const OrderProblem& problem, std::span<const uint32_t> order) {
  const size_t count = problem.tensor_bytes.size();
  if (order.size() != problem.ops.size()) {
    return NoOrder(fmt::format("{} of {} ops", order.size(), problem.ops.size()));
  }
  std::vector<uint8_t> from_start(count, 1), there(count, 0), run(problem.ops.size(), 0);
  std::vector<uint64_t> reads(count, 0);  // still to come; an output is read once more, at the end
  for (const OrderProblem::Op& op : problem.ops) {
    for (const uint32_t out : op.outs) from_start[out] = 0;
    for (const uint32_t in : op.ins) ++reads[in];
  }
  for (const uint32_t out : problem.outputs) ++reads[out];
  uint64_t bytes = 0;
  for (size_t tensor = 0; tensor < count; ++tensor) {
    there[tensor] = from_start[tensor];
    if (there[tensor] && reads[tensor] > 0) bytes += problem.tensor_bytes[tensor];
  }
  uint64_t peak = bytes;
  std::vector<uint32_t> fresh;  // outs of the op that runs
  const auto free_if_unread = [&](uint32_t tensor) {
    if (reads[tensor] == 0) bytes -= problem.tensor_bytes[tensor];
  };
  for (const uint32_t index : order) {
    if (index >= problem.ops.size()) return NoOrder(fmt::format("there is no op {}", index));
    if (run[index]++ != 0) return NoOrder(fmt::format("op {} runs twice", index));
    const OrderProblem::Op& op = problem.ops[index];
    for (const uint32_t in : op.ins) {
      if (!there[in])
        return NoOrder(fmt::format("op {} runs before tensor {} is there", index, in));
    }
    fresh.clear();
    for (const uint32_t out : op.outs) {
      if (there[out]) continue;
      there[out] = 1;
      fresh.push_back(out);
      bytes += problem.tensor_bytes[out];
    }
    peak = std::max(peak, bytes + op.workspace_bytes);
    for (const uint32_t out : fresh) free_if_unread(out);
    for (const uint32_t in : op.ins) {
      --reads[in];
      free_if_unread(in);
    }
  }
  return peak;
}

}  // namespace tinyai
