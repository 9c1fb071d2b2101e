#include "lang/schedule.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace tinyai {

// Written out because `= default` needs the members' types to be complete.
bool Expr::operator==(const Expr& other) const {
  return kind == other.kind && text == other.text && operands == other.operands;
}
bool cmd::If::operator==(const If& other) const {
  return condition == other.condition && then == other.then && otherwise == other.otherwise;
}
bool cmd::Loop::operator==(const Loop& other) const {
  return name == other.name && window == other.window && body == other.body;
}
bool Block::operator==(const Block& other) const {
  return closed == other.closed && place == other.place && commands == other.commands;
}
bool Command::operator==(const Command& other) const {
  return what == other.what && attributes == other.attributes;
}

bool Schedule::operator==(const Schedule& other) const {
  return name == other.name && program == other.program && items == other.items &&
         head_comments == other.head_comments && end_comments == other.end_comments;
}

Expr MakeExpr(Expr::Kind kind, std::string text, std::vector<Expr> operands, Where where) {
  Expr out{kind, std::move(text), std::move(operands), 1, where};
  for (const Expr& operand : out.operands) out.depth = std::max(out.depth, operand.depth + 1);
  return out;
}

Expr NumberExpr(uint64_t value) {
  return MakeExpr(Expr::Kind::kNumber, fmt::format("{}", value), {}, {});
}

std::string DottedName(const Ref& ref) {
  std::string out;
  for (const Ref::Part& part : ref.parts) {
    if (!out.empty()) out += '.';
    out += part.text;
    if (!part.last->empty()) out += ".." + *part.last;
  }
  return out;
}

Ref RefFromDotted(std::string_view name) {
  Ref out;
  while (true) {
    const size_t dot = name.find('.');
    out.parts.push_back({std::string(name.substr(0, dot))});
    if (dot == std::string_view::npos) return out;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace tinyai
