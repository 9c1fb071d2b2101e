#include "program/resolve_ref.h"

#include <algorithm>

#include "fmt/format.h"
#include "lang/lexer.h"
#include "lang/nearest_name.h"
#include "lang/print_schedule.h"

namespace tinyai {

namespace {

// One name and nothing else, as nearly all are.
bool IsSingle(const Ref& ref) {
  return ref.parts.size() == 1 && ref.parts[0].last->empty() && ref.slice->empty() &&
         ref.qualifier->empty();
}

}  // namespace

std::string RefText(const Ref& ref) {
  if (IsSingle(ref)) return ref.parts[0].text;
  std::string out = DottedName(ref);
  for (const Expr& index : *ref.slice) out += fmt::format("[{}]", PrintExpr(index));
  if (!ref.qualifier->empty()) out += fmt::format("@{}", *ref.qualifier);
  return out;
}

void RefFromName(const std::string& name, Ref& out) {
  if (IsName(name)) {
    out.parts.emplace_back().text = name;
  } else {
    out = RefFromName(name);
  }
}

// What is no reference is quoted as a whole.
Ref RefFromName(const std::string& name) {
  const size_t at = std::min(name.find('@'), name.size());
  const size_t open = std::min(name.find('['), at);
  Ref out = RefFromDotted(std::string_view(name).substr(0, open));
  bool plain = IsName(out.parts[0].text);
  for (const Ref::Part& part : out.parts) plain = plain && IsNamePart(part.text);
  if (at < name.size()) {
    out.qualifier = name.substr(at + 1);
    plain = plain && IsName(*out.qualifier);
  }
  if (open < at) {
    const std::string_view index = std::string_view(name).substr(open + 1, at - open - 2);
    plain = plain && !index.empty() && index.find_first_not_of("0123456789") == index.npos;
    out.slice.edit().push_back(MakeExpr(Expr::Kind::kNumber, std::string(index), {}, {}));
  }
  if (plain) return out;
  Ref quoted;
  quoted.parts.push_back({name});
  return quoted;
}

RefResolver::RefResolver(const Program& program, const ProgramNet& net, const SourceText& values,
                         Diagnostics& out)
    : program_(program), net_(net), values_(values), out_(out) {
  for (size_t i = 0; i < program.evals.size(); ++i) {
    const Eval& eval = program.evals[i];
    if (eval.kind != Eval::Kind::kMerge || !net.op_of[i]) continue;
    for (const DefId in : {eval.ins[1], eval.ins[2]}) {
      merges_of_[Index(in)].push_back(EvalId(i));
    }
  }
}

std::optional<DefId> RefResolver::DefOf(std::string_view name) {
  constexpr size_t kLookedAt = 8;
  const size_t end = std::min(next_ + kLookedAt, net_.def_of.size());
  for (size_t value = next_; value < end; ++value) {
    if (program_.def(net_.def_of[value]).name != name) continue;
    next_ = value + 1;
    return net_.def_of[value];
  }
  if (defs_.empty()) {
    names_.Expect(net_.def_of.size());
    defs_.reserve(net_.def_of.size());
    for (const DefId def : net_.def_of) {
      if (names_.Add(program_.def(def).name) == defs_.size()) defs_.push_back(def);
    }
  }
  const uint32_t found = names_.Find(name);
  if (found == NameIndex::kNone) return std::nullopt;
  next_ = Index(*net_.value_of[Index(defs_[found])]) + 1;
  return defs_[found];
}

RegionId RefResolver::RegionOf(DefId def) const {
  const EvalId maker = program_.def(def).maker;
  if (net_.loop && !net_.op_of[Index(maker)]) {
    const std::optional<NetOpId> op = net_.MakerOf(program_, def);
    return op ? net_.net.op(*op).region : RegionId{};
  }
  return net_.region_of[Index(program_.eval(maker).scope)];
}

std::optional<DefId> RefResolver::FindCarried(std::string_view name) const {
  if (!net_.loop) return std::nullopt;
  for (const ProgramLoop::Carried& one : program_.loops[*net_.loop].carried) {
    if (program_.def(one.result).name == name) return one.next;
  }
  return std::nullopt;
}

std::string RefResolver::ArmText(RegionId region) const {
  const Position at = values_.At(program_.branches[net_.branch_of[Index(region)]].where.begin);
  return fmt::format("{}-arm of line {}", net_.net.regions[Index(region)].arm ? "then" : "else",
                     at.line);
}

void RefResolver::ReportUnknown(const Ref& ref, const std::string& text) {
  const size_t base_end = text.find('\'');
  const std::string base = text.substr(0, base_end);
  if (base_end != std::string::npos && DefOf(base)) {
    size_t count = 1;
    while (DefOf(base + std::string(count, '\''))) ++count;
    std::string names;
    for (size_t i = 0; i < std::min<size_t>(count, 4); ++i) {
      names += fmt::format("{}`{}{:'>{}}`", i == 0 ? "" : ", ", base, "", i);
    }
    constexpr std::string_view kOrdinals[] = {"second", "third", "fourth"};
    out_.Error(
            "A4", ref.where,
            fmt::format("'{}' has {} definition{} ({}); no {}", base, count, count == 1 ? "" : "s",
                        names, count <= 3 ? kOrdinals[count - 1] : "further one"))
        .NoteIn(values_, program_.def(*DefOf(base)).where, "the first definition")
        .Help(fmt::format("write one of {}", names));
    return;
  }
  Diagnostic& error =
      out_.Error("I7", ref.where, fmt::format("no value '{}' in the value program", text));
  std::vector<std::string_view> known;
  for (const DefId def : net_.def_of) {
    if (!program_.def(def).implied) known.push_back(program_.def(def).name);
  }
  std::sort(known.begin(), known.end());
  const std::string near = NearestName(text, known);
  error.Help(
      !near.empty() ? fmt::format("did you mean '{}'?", near)
      : known.empty()
          ? "the program has no values"
          : fmt::format("its values are {}{}",
                        fmt::join(known.begin(),
                                  known.begin() + std::min<ptrdiff_t>(8, std::ssize(known)), ", "),
                        known.size() > 8 ? ", .." : ""));
}

// z@then, z@else, and z'@else where there are several.
std::optional<DefId> RefResolver::FindArm(const Ref& ref, bool arm) {
  Ref base = ref;
  base.qualifier = {};
  std::string name = RefText(base);
  const auto is_of_arm = [&](DefId def) {
    const RegionId region = RegionOf(def);
    return Index(region) != 0 && net_.net.regions[Index(region)].arm == arm;
  };
  if (const auto def = DefOf(name); def && is_of_arm(*def)) return def;
  std::vector<DefId> found;
  for (auto def = DefOf(name); def; def = DefOf(name += '\'')) {
    if (is_of_arm(*def)) found.push_back(*def);
  }
  if (found.size() == 1) return found[0];
  const std::string text = RefText(ref);
  if (found.empty()) {
    ReportUnknown(ref, text);
    return std::nullopt;
  }
  out_.Error("A4", ref.where,
             fmt::format("'{}' could be any of {}: '{}' to '{}'", text, found.size(),
                         program_.def(found.front()).name, program_.def(found.back()).name))
      .Help(fmt::format("write the one that is meant: {}@{}", program_.def(found.front()).name,
                        *ref.qualifier));
  return std::nullopt;
}

std::optional<DefId> RefResolver::Find(const Ref& ref, RegionId) {
  if (IsSingle(ref)) {
    if (const auto found = DefOf(ref.parts[0].text)) return found;
  }
  const std::string text = RefText(ref);
  if (const auto found = DefOf(text)) return found;
  if (const auto found = FindCarried(text); found && net_.value_of[Index(*found)]) return found;
  if (*ref.qualifier == "then" || *ref.qualifier == "else") {
    return FindArm(ref, *ref.qualifier == "then");
  }
  ReportUnknown(ref, text);
  return std::nullopt;
}

// The merged value that stands for `def` in a region around it.
std::optional<DefId> RefResolver::MergedIn(DefId def, RegionId region) const {
  while (RegionOf(def) != region) {
    const auto merges = merges_of_.find(Index(def));
    if (merges == merges_of_.end()) return std::nullopt;
    def = program_.eval(merges->second[0]).outs[0];
    if (!IsInside(net_.net, RegionOf(def), region)) return std::nullopt;
  }
  return def;
}

void RefResolver::CollectMerged(DefId def, NetOps& ops) const {
  const Eval& eval = program_.eval(program_.def(def).maker);
  ops.push_back(*net_.MakerOf(program_, def));
  const bool merged = eval.kind == Eval::Kind::kMerge;
  for (size_t i = 1; merged && i < eval.ins.size(); ++i) {
    const Eval& arm = program_.eval(program_.def(eval.ins[i]).maker);
    // Only what the arm itself defines.
    const ScopeId scope =
        i == 1 ? program_.branches[eval.index].then : program_.branches[eval.index].otherwise;
    if (arm.scope == scope) CollectMerged(eval.ins[i], ops);
  }
}

std::optional<ResolvedRef> RefResolver::Resolve(const Ref& ref, RegionId region) {
  const std::optional<DefId> def = Find(ref, region);
  if (!def) return std::nullopt;
  const std::optional<NetOpId> maker = net_.MakerOf(program_, *def);
  if (!maker) {
    out_.Error("I9", ref.where, fmt::format("'{}' is computed outside of the loop", RefText(ref)))
        .NoteIn(values_, program_.def(*def).where, "defined here")
        .Help("list it outside of the loop");
    return std::nullopt;
  }
  ResolvedRef out;
  out.written = &ref;
  const RegionId home = RegionOf(*def);
  const NetOpId op = *maker;
  const bool join = ref.qualifier->starts_with("join");
  if (join && net_.net.op(op).region == region) {
    out.ops = {op};
  } else if (home == region) {
    CollectMerged(*def, out.ops);
  } else if ((*ref.qualifier == "then" || *ref.qualifier == "else") &&
             IsInside(net_.net, home, region)) {
    out.ops = {op};
    RegionId arm = home;
    while (net_.net.regions[Index(arm)].parent != region) {
      arm = net_.net.regions[Index(arm)].parent;
    }
    out.speculates = net_.branch_of[Index(arm)];
  } else if (IsInside(net_.net, home, region) && !program_.def(*def).name.ends_with('\'') &&
             ref.qualifier->empty()) {
    // Listed outside of its `if`: the whole conditional.
    const std::optional<DefId> merged = MergedIn(*def, region);
    CollectMerged(merged.value_or(*def), out.ops);
  } else {
    if (Index(home) == 0) {
      out_.Error("A4", ref.where,
                 fmt::format("'{}' is no part of the {}", RefText(ref), ArmText(region)))
          .NoteIn(values_, program_.def(*def).where, "defined here")
          .Help("list it outside of the 'if'");
      return std::nullopt;
    }
    out_.Error("A4", ref.where,
               fmt::format("'{}' is only available in the {}", RefText(ref), ArmText(home)))
        .NoteIn(values_, program_.def(*def).where, "defined here")
        .Help(fmt::format("list it in that arm: if ({}) {{ .. }}",
                          net_.net.regions[Index(home)].name));
    return std::nullopt;
  }
  if (out.ops.size() > 1) std::sort(out.ops.begin(), out.ops.end());
  return out;
}

std::optional<DefId> RefResolver::ResolveValue(const Ref& ref, RegionId region) {
  const std::optional<DefId> def = Find(ref, region);
  if (!def) return std::nullopt;
  const std::optional<NetOpId> op = net_.MakerOf(program_, *def);
  const RegionId made = op ? net_.net.op(*op).region : RegionId{};
  const bool speculated =
      *ref.qualifier == "then" || *ref.qualifier == "else" || ref.qualifier->starts_with("join");
  if (IsInside(net_.net, region, speculated ? made : RegionOf(*def))) return def;
  // What it is merged to around both, which is there in the arms of other branches, too.
  const RegionId around = CommonRegion(net_.net, RegionOf(*def), region);
  RegionId arm = region;
  while (arm != around && net_.net.regions[Index(arm)].parent != around) {
    arm = net_.net.regions[Index(arm)].parent;
  }
  if (!program_.def(*def).name.ends_with('\'')) {
    const std::optional<DefId> merged = MergedIn(*def, around);
    const bool other_arm =
        merged && arm != around &&
        program_.eval(program_.def(*merged).maker).index == net_.branch_of[Index(arm)];
    if (merged && !other_arm) return merged;
  }
  out_.Error("A4", ref.where,
             fmt::format("'{}' is only available in the {}", RefText(ref), ArmText(RegionOf(*def))))
      .NoteIn(values_, program_.def(*def).where, "defined here")
      .Help("print it in that arm, or define it in both");
  return std::nullopt;
}

// Whether commands name something of this arm.
bool RefResolver::Mentions(const std::vector<Command>& commands, RegionId arm) {
  return std::any_of(commands.begin(), commands.end(), [&](const Command& command) {
    const auto* work = std::get_if<cmd::Work>(&command.what);
    if (work == nullptr) return false;
    const auto found = DefOf(RefText(work->ref));
    return found && IsInside(net_.net, RegionOf(*found), arm);
  });
}

std::optional<ResolvedBranch> RefResolver::ResolveBranch(const cmd::If& written, RegionId region,
                                                         Span where) {
  const std::string text = PrintExpr(written.condition);
  std::vector<ResolvedBranch> same, depend;
  std::vector<RegionId> then(program_.branches.size()), otherwise(program_.branches.size());
  for (size_t i = 1; i < net_.net.regions.size(); ++i) {
    const NetRegion& one = net_.net.regions[i];
    if (one.parent != region) continue;
    (one.arm ? then : otherwise)[net_.branch_of[i]] = RegionId(i);
  }
  for (size_t i = 0; i < program_.branches.size(); ++i) {
    if (Index(then[i]) == 0) continue;
    const Branch& branch = program_.branches[i];
    const ResolvedBranch resolved{i, then[i], otherwise[i]};
    if (branch.text == text) same.push_back(resolved);
    const Def& condition = program_.def(branch.condition);
    const Eval& eval = program_.eval(condition.maker);
    const bool depends = condition.name == text ||
                         std::any_of(eval.ins.begin(), eval.ins.end(),
                                     [&](DefId in) { return program_.def(in).name == text; });
    if (depends && written.condition->kind == Expr::Kind::kName) depend.push_back(resolved);
  }
  std::vector<ResolvedBranch>& candidates = same.empty() ? depend : same;
  if (candidates.size() > 1 &&
      !same.empty()) {  // of equal conditions, the one whose values it lists
    std::erase_if(candidates, [&](const ResolvedBranch& one) {
      return !Mentions(written.then, one.then) &&
             !(written.otherwise && Mentions(*written.otherwise, one.otherwise));
    });
  }
  if (candidates.size() == 1) return candidates[0];
  const Span span = written.condition->where.end != 0 ? Span(written.condition->where) : where;
  const auto position = [&](size_t branch) {
    const Position at = values_.At(program_.branches[branch].where.begin);
    return fmt::format("{}:{}", at.line, at.column);
  };
  if (candidates.empty()) {
    out_.Error("I7", span,
               fmt::format("no conditional of the program has the condition '{}'", text))
        .Help("write the condition as the program does");
    return std::nullopt;
  }
  out_.Error("A5", span,
             fmt::format("`if ({})` matches {} conditionals (value {}, {})", text,
                         candidates.size() == 2 ? "two" : fmt::format("{}", candidates.size()),
                         position(candidates[0].branch), position(candidates[1].branch)))
      .NoteIn(values_, program_.branches[candidates[0].branch].where, "one")
      .NoteIn(values_, program_.branches[candidates[1].branch].where, "another")
      .Help(fmt::format("write the full condition: if ({})",
                        program_.branches[candidates[0].branch].text));
  return std::nullopt;
}

}  // namespace tinyai
