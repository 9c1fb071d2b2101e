#include "plan/plan_attributes.h"

#include "fmt/format.h"
#include "lang/number.h"

namespace tinyai {

const Attribute* PlanAttributes::Take(std::string_view name) {
  for (size_t i = 0; i < list_.size(); ++i) {
    if (taken_[i] || list_[i].name != name) continue;
    taken_[i] = true;
    return &list_[i];
  }
  return nullptr;
}

bool PlanAttributes::Flag(std::string_view name) {
  const Attribute* attribute = Take(name);
  if (attribute == nullptr) return false;
  if (attribute->value) {
    diagnostics_.Error("P1", attribute->where, fmt::format("'{}' stands alone", name));
  }
  return true;
}

std::string PlanAttributes::Text(std::string_view name) {
  const Attribute* attribute = Take(name);
  if (attribute == nullptr) Missing(name);
  return attribute ? TextOf(*attribute) : "";
}

std::string PlanAttributes::TextOf(const Attribute& attribute) {
  const bool text = attribute.value && (attribute.value->kind == Expr::Kind::kString ||
                                        attribute.value->kind == Expr::Kind::kName);
  if (text) return attribute.value->text;
  diagnostics_.Error("P1", attribute.where, fmt::format("'{}' needs a name", attribute.name));
  return "";
}

uint64_t PlanAttributes::NumberOf(const Attribute& attribute, uint64_t most) {
  const bool number = attribute.value && attribute.value->kind == Expr::Kind::kNumber;
  const std::optional<uint64_t> value = number ? WholeNumber(attribute.value->text) : std::nullopt;
  if (value && *value <= most) return *value;
  diagnostics_.Error("P1", attribute.where,
                     fmt::format("'{}' needs a whole number up to {}", attribute.name, most));
  return 0;
}

void PlanAttributes::Missing(std::string_view name) {
  diagnostics_.Error("P1", where_, fmt::format("'{}' is missing", name));
}

void PlanAttributes::Finish() {
  for (size_t i = 0; i < list_.size(); ++i) {
    if (taken_[i]) continue;
    diagnostics_.Error("P1", list_[i].where,
                       fmt::format("'{}' is not known here, or there twice", list_[i].name));
  }
}

}  // namespace tinyai
