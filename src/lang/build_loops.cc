#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "lang/print_schedule.h"
#include "lang/program_builder.h"

namespace tinyai {

using ScopeKind = ProgramScope::Kind;

void ProgramBuilder::Do(const val::Next& next, Where where) {
  if (loops_.empty()) {
    out_.Error("T4", where, "'next' stands in a loop");
    return;
  }
  LoopFrame& frame = *loops_.back();
  const auto found = std::find_if(frame.begin(), frame.end(), [&](const Carried& carried) {
    return carried.written.text == next.name.text;
  });
  if (found == frame.end()) {
    out_.Error("T4", next.name.where, fmt::format("the loop does not carry '{}'", next.name.text))
        .Help(fmt::format("say what it is at first: carry ({} = ..)", next.name.text));
    return;
  }
  if (found->next || found->broken) {
    if (!found->broken) {
      out_.Error("A9", next.name.where,
                 fmt::format("'next {}' stands twice in one iteration", next.name.text));
    }
    return;
  }
  if (program_.scope(scope_).kind == ScopeKind::kThen ||
      program_.scope(scope_).kind == ScopeKind::kElse) {
    out_.Error("T4", where, "'next' stands in the loop itself, not in an arm of an 'if'")
        .Help("define a name in both arms, and take that: next s = name;");
    found->broken = true;
    return;
  }
  const ProgramType type = program_.def(found->now).type;
  found->next = ValueOf(next.value, &type, fmt::format("{}@next", next.name.text));
  found->broken = !found->next;
}

// Computes what is carried into the first iteration.
ProgramBuilder::LoopFrame ProgramBuilder::InitCarried(const std::vector<val::Carry>& carries) {
  LoopFrame out;
  for (const val::Carry& carry : carries) {
    if (!CanDefine(carry.name)) continue;
    const bool twice = std::any_of(out.begin(), out.end(), [&](const Carried& other) {
      return other.written.text == carry.name.text;
    });
    if (twice) {
      out_.Error("A9", carry.name.where, fmt::format("'{}' is carried twice", carry.name.text));
      continue;
    }
    Carried carried{names_.Intern(carry.name.text), carry.name, {}, {}, false};
    const std::optional<DefId> init =
        ValueOf(carry.init, nullptr, fmt::format("{}@init", carry.name.text));
    if (init) carried.now = *init;
    carried.broken = !init;
    out.push_back(std::move(carried));
  }
  return out;
}

void ProgramBuilder::Do(const val::For& loop, Where where) {
  const std::optional<Constant> begin = typer_.Evaluate(loop.begin);
  const std::optional<Constant> end = typer_.Evaluate(loop.end);
  const bool counted = begin && end && begin->whole && end->whole;
  if (!CanDefine(loop.index)) return;
  LoopParts parts = Begin(std::string(loop.index.text), where);
  if (counted) {
    program_.loops[parts.index].first = begin->integer;
    program_.loops[parts.index].trips =
        end->integer > begin->integer
            ? static_cast<uint64_t>(end->integer) - static_cast<uint64_t>(begin->integer)
            : 0;
  }
  const std::optional<DefId> first = ValueOf(loop.begin, nullptr, "begin");
  const ProgramType type = first ? program_.def(*first).type : ProgramType{};
  const std::optional<DefId> last = ValueOf(loop.end, first ? &type : nullptr, "end");
  if (first && (!IsWhole(type.scalar) || !type.shape.empty())) {
    out_.Error("T1", loop.begin.where,
               fmt::format("a loop counts whole numbers, not {}", TypeText(type)));
  }
  if (first) program_.loops[parts.index].begin = *first;
  if (last) program_.loops[parts.index].end = *last;
  LoopFrame carried = InitCarried(loop.carried);
  Body(parts, std::move(carried), &loop.index, type, nullptr, loop.body);
}

void ProgramBuilder::Do(const val::While& loop, Where where) {
  const std::string name(loop.carried.empty() ? "while" : loop.carried[0].name.text);
  LoopParts parts = Begin(name, where);
  program_.loops[parts.index].most_trips = loop.most.value_or(0);
  LoopFrame carried = InitCarried(loop.carried);
  Body(parts, std::move(carried), nullptr, {}, &loop.condition, loop.body);
}

ProgramBuilder::LoopParts ProgramBuilder::Begin(std::string name, Where where) {
  LoopParts parts;
  parts.index = static_cast<uint32_t>(program_.loops.size());
  parts.outer = scope_;
  program_.loops.emplace_back();
  program_.loops.back().name = std::move(name);
  program_.loops.back().where = where;
  parts.eval = AddEval(where, Eval::Kind::kLoop);
  program_.evals.back().index = parts.index;
  parts.first_def = program_.defs.size();
  parts.first_eval = program_.evals.size();
  parts.first_branch = program_.branches.size();
  program_.loops[parts.index].entry = Enter(ScopeKind::kLoopEntry, parts.index);
  return parts;
}

// `index`: null where `condition` is tested before each iteration.
void ProgramBuilder::Body(LoopParts& parts, LoopFrame carried, const NameAt* index,
                          const ProgramType& index_type, const ExprTree* condition,
                          const ValueBlock& body) {
  scope_ = parts.outer;
  std::vector<ProgramLoop::Carried> values;
  names_.Open();
  if (index != nullptr) {
    const DefId def = AddDef(NewName(index->text), index_type, parts.eval, index->where, true);
    program_.loops[parts.index].index = def;
    Bind(*index, def);
  }
  for (Carried& one : carried) {
    if (one.broken) {
      Break(one.written);
      continue;
    }
    ProgramLoop::Carried& value = values.emplace_back();
    value.init = one.now;
    value.param = one.now = AddDef(NewName(fmt::format("{}@in", one.written.text)),
                                   program_.def(one.now).type, parts.eval, one.written.where, true);
    Bind(one.written, one.now);
  }
  if (condition != nullptr) {
    program_.loops[parts.index].test = Enter(ScopeKind::kLoopTest, parts.index);
    if (const auto def = Condition(*condition)) program_.loops[parts.index].condition = *def;
    scope_ = parts.outer;
  }
  program_.loops[parts.index].body = Enter(ScopeKind::kLoopBody, parts.index);
  loops_.push_back(&carried);
  ResolveAll(body);
  loops_.pop_back();
  names_.Close();
  scope_ = parts.outer;
  size_t at = 0;
  for (Carried& one : carried) {
    if (one.broken) {
      Break(one.written);
      if (at < values.size() && values[at].param == one.now) ++at;
      continue;
    }
    ProgramLoop::Carried& value = values[at++];
    value.next = one.next.value_or(value.param);
    value.result = AddDef(NewName(one.written.text), program_.def(value.param).type, parts.eval,
                          one.written.where);
    program_.evals[Index(parts.eval)].outs.push_back(value.result);
    Bind(one.written, value.result);
  }
  program_.loops[parts.index].carried = std::move(values);
  FindReads(parts);
}

// What the loop takes from outside, and its effects.
void ProgramBuilder::FindReads(const LoopParts& parts) {
  Eval::Defs reads;
  const auto read = [&](DefId def) {
    if (Index(def) < parts.first_def) reads.push_back(def);
  };
  bool input = false, output = false;
  for (size_t i = parts.first_eval; i < program_.evals.size(); ++i) {
    const Eval& eval = program_.evals[i];
    std::for_each(eval.ins.begin(), eval.ins.end(), read);
    input = input || eval.input;
    output = output || eval.output;
  }
  for (size_t i = parts.first_branch; i < program_.branches.size(); ++i) {
    read(program_.branches[i].condition);
  }
  const ProgramLoop& loop = program_.loops[parts.index];
  for (const ProgramLoop::Carried& carried : loop.carried) {
    read(carried.init);
    read(carried.next);
  }
  if (loop.index) {
    read(loop.begin);
    read(loop.end);
  } else {
    read(loop.condition);
  }
  std::sort(reads.begin(), reads.end());
  reads.erase(std::unique(reads.begin(), reads.end()), reads.end());
  Eval& eval = program_.evals[Index(parts.eval)];
  eval.ins = std::move(reads);
  eval.input = input;
  eval.output = output;
}

}  // namespace tinyai
