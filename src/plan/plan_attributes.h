#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/schedule.h"

namespace tinyai {

// The attributes of one record or command of a plan file, asked for by name. What is missing, of
// the wrong kind or out of range is reported (code P1) and reads as 0 or empty; in the end Finish()
// reports what nobody asked for, and what is there twice.
class PlanAttributes {
 public:
  // All outlive this object. `where` is what the attributes belong to.
  PlanAttributes(Diagnostics& diagnostics, const std::vector<Attribute>& list, Span where)
      : diagnostics_(diagnostics), list_(list), where_(where), taken_(list.size(), false) {}

  template <typename Number>
  Number Required(std::string_view name) {
    const Attribute* attribute = Take(name);
    if (attribute == nullptr) Missing(name);
    return attribute ? Checked<Number>(*attribute) : 0;
  }
  uint64_t Optional(std::string_view name) {
    const Attribute* attribute = Take(name);
    return attribute ? Checked<uint64_t>(*attribute) : 0;
  }
  bool Flag(std::string_view name);
  // A string or a word; empty and reported if it is missing.
  std::string Text(std::string_view name);

  // The next attribute of that name, for those that may come several times; nullptr if no more.
  const Attribute* Take(std::string_view name);
  template <typename Number>
  Number Checked(const Attribute& attribute) {
    return static_cast<Number>(NumberOf(attribute, std::numeric_limits<Number>::max()));
  }
  std::string TextOf(const Attribute& attribute);

  // Of all of it.
  void Wrong(std::string message) { diagnostics_.Error("P1", where_, std::move(message)); }
  void Finish();

 private:
  uint64_t NumberOf(const Attribute& attribute, uint64_t most);
  void Missing(std::string_view name);

  Diagnostics& diagnostics_;
  const std::vector<Attribute>& list_;
  Span where_;
  std::vector<bool> taken_;
};

}  // namespace tinyai
