#include "lang/print_schedule.h"

#include <array>
#include <iterator>
#include <string_view>

#include "fmt/format.h"
#include "lang/lexer.h"
#include "lang/parse_ref.h"

namespace tinyai {
namespace {

constexpr std::array<std::string_view, 7> kVerbs = {"",     "load ", "prefetch ", "evict ",
                                                    "pin ", "free ", "recompute "};
constexpr std::array<std::string_view, 3> kCountings = {"static", "worst", "expected"};

void AppendRef(const Ref& ref, std::string& out) {
  for (size_t i = 0; i < ref.parts.size(); ++i) {
    const Ref::Part& part = ref.parts[i];
    if (i != 0) out += '.';
    const bool bare =
        i == 0 ? IsName(part.text) && !IsCommandWord(part.text) : IsNamePart(part.text);
    if (bare) {
      out += part.text;
    } else {
      out += Quote(part.text);
    }
    if (!part.last->empty()) out += ".." + *part.last;
  }
  const std::vector<Expr>& slice = *ref.slice;
  if (!slice.empty()) {
    out += '[' + PrintExpr(slice[0]);
    if (slice.size() > 1) out += ".." + PrintExpr(slice[1]);
    out += ']';
  }
  if (!ref.qualifier->empty()) out += '@' + *ref.qualifier;
}

std::string PlaceText(const Place& place) {
  std::string out = place.name;
  if (!place.index.empty()) out += fmt::format("[{}]", PrintExpr(place.index[0]));
  for (const std::string& queue : place.queues) out += '.' + queue;
  return out;
}

std::string SyncText(const cmd::Sync& sync) {
  std::string out;
  for (const cmd::Sync::Target& target : sync.targets) {
    if (!out.empty()) out += ", ";
    out += target.fence;
    if (target.distance != 0) out += fmt::format("@-{}", target.distance);
  }
  return out;
}

std::string RefsText(const std::vector<Ref>& refs) {
  std::string out;
  for (const Ref& ref : refs) {
    if (!out.empty()) out += ", ";
    out += PrintRef(ref);
  }
  return out;
}

class Printer {
 public:
  std::string Print(const Schedule& schedule) {
    Comments(schedule.head_comments);
    const bool wrapped = !schedule.name.empty();
    if (wrapped) Open(fmt::format("schedule {} for {}", schedule.name, schedule.program));
    for (const Item& item : schedule.items) {
      std::visit([this](const auto& what) { Declare(what); }, item.what);
    }
    if (wrapped) Close();
    Comments(schedule.end_comments);
    return std::move(out_);
  }

 private:
  template <typename... Arguments>
  void Line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    out_.append(indent_, ' ');
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
    out_ += '\n';
  }
  void Open(std::string_view head) {
    Line("{} {{", head);
    indent_ += 2;
  }
  void Close(std::string_view next = "") {
    indent_ -= 2;
    Line("}}{}", next);
  }
  void Comments(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) Line("//{}{}", line.empty() ? "" : " ", line);
  }

  void Attributes(const std::vector<Attribute>& attributes) {
    std::string_view separator = ": ";
    for (const Attribute& attribute : attributes) {
      fmt::format_to(std::back_inserter(out_), "{}{}", separator, attribute.name);
      if (attribute.value) out_ += ' ' + PrintExpr(*attribute.value);
      separator = ", ";
    }
  }
  // The end of a line that began without one.
  void End(const std::vector<Attribute>& attributes) {
    out_.pop_back();
    Attributes(attributes);
    out_ += ";\n";
  }

  void Declare(const Block& block) { Write(block); }
  void Declare(const decl::Placement& placement) {
    Line("place {}: {};", PrintRef(placement.ref), PlaceText(placement.place));
  }
  void Declare(const decl::Before& before) {
    Line("before {}, {};", PrintRef(before.first), PrintRef(before.second));
  }
  void Declare(const decl::Budget& budget) { Line("budget {} <= {};", budget.memory, budget.size); }
  void Declare(const decl::Objective& objective) {
    Line("objective {};", PrintExpr(objective.terms));
  }
  void Declare(const decl::Count& count) {
    Line("count {};", kCountings[static_cast<size_t>(count.how)]);
  }
  void Declare(const decl::Record& record) {
    Line("{} {}", record.kind, Quote(record.name));
    End(record.attributes);
  }

  void Commands(const std::vector<Command>& commands) {
    for (const Command& command : commands) {
      std::visit([this](const auto& what) { Write(what); }, command.what);
      const bool braces = std::holds_alternative<Block>(command.what) ||
                          std::holds_alternative<cmd::If>(command.what) ||
                          std::holds_alternative<cmd::Loop>(command.what);
      if (!braces) End(command.attributes);
    }
  }

  void Write(const Block& block) {
    Open((block.closed ? "closed " : "") + PlaceText(block.place));
    Commands(block.commands);
    Close();
  }
  void Write(const cmd::Work& work) {
    out_.append(indent_, ' ');
    out_ += kVerbs[static_cast<size_t>(work.verb)];
    AppendRef(work.ref, out_);
    out_ += '\n';
  }
  void Write(const cmd::Move& move) {
    Line("move {} -> {}", PrintRef(move.ref), PlaceText(move.to));
  }
  void Write(const cmd::Fence& fence) { Line("--- {}", fence.name); }
  void Write(const cmd::Sync& sync) { Line("sync({})", SyncText(sync)); }
  void Write(const cmd::Print& print) { Line("print({})", RefsText(print.refs)); }
  void Write(const cmd::Hole&) { Line("???"); }
  void Write(const cmd::If& first) {
    Open(fmt::format("if ({})", PrintExpr(first.condition)));
    const cmd::If* arm = &first;
    Commands(arm->then);
    while (arm->otherwise) {
      const std::vector<Command>& rest = *arm->otherwise;
      const cmd::If* next = rest.size() == 1 ? std::get_if<cmd::If>(&rest[0].what) : nullptr;
      indent_ -= 2;
      Open(next ? fmt::format("}} else if ({})", PrintExpr(next->condition)) : "} else");
      Commands(next ? next->then : rest);
      if (next == nullptr) break;
      arm = next;
    }
    Close();
  }
  void Write(const cmd::Loop& loop) {
    Open(loop.window ? fmt::format("loop {} window {}", loop.name, *loop.window)
                     : "loop " + loop.name);
    Commands(loop.body);
    Close();
  }

  std::string out_;
  size_t indent_ = 0;
};

}  // namespace

std::string PrintRef(const Ref& ref) {
  std::string out;
  AppendRef(ref, out);
  return out;
}

std::string PrintSchedule(const Schedule& schedule) { return Printer().Print(schedule); }

}  // namespace tinyai
