#include "plan/pass_costs.h"

#include <algorithm>

namespace tinyai {

PassCosts PassCosts::OfDevice(const Graph& graph, const PlanRequest& request, uint64_t tokens) {
  if (!request.device) return PassCosts(graph, request.rates, 1, tokens);
  const RequestDevice& device = *request.device;
  PassCosts out(graph, device.rates, 1, tokens);
  if (device.costs != nullptr) {
    out.product_ = device.costs->Find(kProductCost, device.name);
    out.activation_ = device.costs->Find(kActivationCost, device.name);
  }
  return out;
}

MeetingCosts MeetingCostsOf(const RequestDevice& device) {
  if (device.costs == nullptr) return {0, device.rates.meeting_seconds};
  return {device.costs->fence_seconds, device.costs->sync_seconds};
}

double PassCosts::OpSeconds(const Op& op) const {
  uint64_t bytes = 0;
  const auto add = [&](ValueId id) {
    const Value& value = graph_.value(id);
    bytes += value.row_bytes * (value.rows == Rows::kTokens ? tokens_ : 1);
  };
  for (const ValueId in : op.ins) add(in);
  if (op.out) add(*op.out);
  if (activation_ != nullptr) {
    return CostValue(activation_->seconds, {{"bytes", static_cast<double>(bytes)}});
  }
  return static_cast<double>(bytes) / rates_.memory_bytes_per_second;
}

double PassCosts::ProductSeconds(const Op& product, uint64_t rows, bool logits) const {
  const Weight& weight = graph_.weight(product.weights[0]);
  // A row of weights meets as many columns of the operand as the result has places for it.
  const uint64_t places = graph_.value(*product.out).width / weight.rows;
  const uint64_t tokens = logits ? 1 : tokens_;
  const auto bytes = static_cast<double>(rows * weight.row_bytes());
  const auto macs = static_cast<double>(rows * weight.cols * tokens * places);
  if (product_ != nullptr) {
    return CostValue(product_->seconds, {{"bytes", bytes}, {"flops", 2 * macs}});
  }
  const double meeting = workers_ > 1 ? rates_.meeting_seconds : 0;
  return meeting +
         std::max(bytes / rates_.product_bytes_per_second, macs / rates_.compute_macs_per_second);
}

double PassCosts::LoadSeconds(uint64_t bytes) const {
  return static_cast<double>(bytes) / rates_.disk_bytes_per_second;
}

double PassCosts::TransferSeconds(const Op& op) const {
  const bool out = std::holds_alternative<op::Spill>(op.kind);
  const Value& value = graph_.value(out ? op.ins[0] : *op.out);
  const uint64_t bytes = value.row_bytes * (value.rows == Rows::kTokens ? tokens_ : 1);
  return rates_.request_seconds +
         static_cast<double>(bytes) /
             (out ? rates_.spill_bytes_per_second : rates_.fetch_bytes_per_second);
}

double PassCosts::RowsSeconds(uint64_t stride) const {
  return rates_.request_seconds + LoadSeconds(tokens_ * stride);
}

}  // namespace tinyai
