#include "lang/program_builder.h"

#include <algorithm>

#include "fmt/format.h"
#include "lang/print_schedule.h"

namespace tinyai {
namespace {

// Of functions that become part of their callers: a program of a few lines may not become one of
// billions.
constexpr size_t kMostEvals = size_t{1} << 24;

}  // namespace

ProgramBuilder::ProgramBuilder(Diagnostics& diagnostics)
    : diagnostics_(diagnostics),
      out_(diagnostics),
      names_(diagnostics.source().text()),
      typer_(program_, names_, callables_, out_) {
  program_.scopes.emplace_back();
}

void ProgramBuilder::Expect(size_t statements) {
  constexpr size_t kMost = size_t{1} << 20;  // memory that is not used is not held, up to a point
  const size_t count = std::min(statements, kMost);
  program_.evals.reserve(count);
  program_.defs.reserve(count);
  names_.Expect(count);
  versions_.reserve(count);
}

void ProgramBuilder::Resolve(const ValueStatement& statement) {
  if (return_ != nullptr && return_->returned) {
    out_.Error("T4", statement.where, "nothing follows 'return'").Help("delete it");
    return_->returned = false;  // said once
  }
  if (program_.evals.size() > kMostEvals && copies_ != 0) {
    out_.Error(
        "T4", statement.where,
        fmt::format("the program has more than {} ops with its functions put in", kMostEvals));
    out_.set_quiet();
    return;
  }
  std::visit([&](const auto& what) { Do(what, statement.where); }, statement.what);
}

void ProgramBuilder::ResolveAll(const ValueBlock& block) {
  for (const ValueStatement& statement : block) {
    if (diagnostics_.full()) return;
    Resolve(statement);
  }
}

// --- definitions ---

bool ProgramBuilder::CanDefine(const NameAt& name) {
  return CanDefine(name, names_.Intern(name.text));
}

bool ProgramBuilder::CanDefine(const NameAt& name, NameTable::NameId id) {
  if (name.text.ends_with('\'')) {
    out_.Error("A9", name.where,
               fmt::format("'{}' is what schedules call another definition of '{}'", name.text,
                           name.text.substr(0, name.text.find('\''))))
        .Help("leave out the '");
    return false;
  }
  const Binding* known = names_.Find(id);
  if (known == nullptr) return true;
  if (known->kind == Binding::Kind::kBroken) return false;
  const Position at = out_.source().At(known->where.begin);
  out_.Error("A9", name.where,
             fmt::format("'{}' is already defined at {}:{}; value programs have one definition per "
                         "path",
                         name.text, at.line, at.column))
      .NoteAt(known->where, "the first definition")
      .Help("give one of them another name");
  return false;
}

std::string ProgramBuilder::NewName(std::string_view name) {
  return NewName(name, names_.Intern(name));
}

std::string ProgramBuilder::NewName(std::string_view name, NameTable::NameId id) {
  std::string out(name);
  if (!prefix_.empty()) {
    out.insert(0, prefix_);
    id = names_.Intern(out);
  }
  if (id >= versions_.size()) versions_.resize(id + 1, 0);
  return out.append(versions_[id]++, '\'');
}

DefId ProgramBuilder::AddDef(std::string name, ProgramType type, EvalId maker, Where where,
                             bool implied) {
  Def& def = program_.defs.emplace_back();
  def.name = std::move(name);
  def.type = std::move(type);
  def.maker = maker;
  def.implied = implied;
  def.where = where;
  return DefId(program_.defs.size() - 1);
}

void ProgramBuilder::Bind(NameTable::NameId name, Where where, DefId def) {
  Binding binding;
  binding.kind = Binding::Kind::kDef;
  binding.def = def;
  binding.frame = names_.frame();
  binding.where = where;
  names_.Bind(name, binding);
}

void ProgramBuilder::Break(const NameAt& name) {
  Binding binding;
  binding.kind = Binding::Kind::kBroken;
  binding.frame = names_.frame();
  binding.where = name.where;
  names_.Bind(names_.Intern(name.text), binding);
}

EvalId ProgramBuilder::AddEval(Where where, Eval::Kind kind) {
  Eval& eval = program_.evals.emplace_back();
  eval.kind = kind;
  eval.scope = scope_;
  eval.where = where;
  return EvalId(program_.evals.size() - 1);
}

ScopeId ProgramBuilder::Enter(ProgramScope::Kind kind, uint32_t index) {
  program_.scopes.push_back({kind, scope_, index});
  return scope_ = ScopeId(program_.scopes.size() - 1);
}

std::optional<ProgramType> ProgramBuilder::TypeOf(const ExprTree& expr, const ProgramType* wanted,
                                                  size_t results) {
  Eval& eval = program_.evals.back();
  std::optional<ProgramType> type = typer_.Append(expr, wanted, eval, results);
  if (type && eval.input && return_ != nullptr) {
    out_.Error("T4", expr.where, "a function reads no input").Help("hand the value to it");
    type.reset();
  }
  if (type && results > 1 && typer_.call_results().size() != results) {
    out_.Error("T2", expr.where, fmt::format("{} names for one value", results))
        .Help("only a call of a function has several results");
    type.reset();
  }
  if (!type) program_.evals.pop_back();
  return type;
}

std::optional<DefId> ProgramBuilder::Compute(const ExprTree& expr, const ProgramType* wanted,
                                             std::string name, Where where, bool implied) {
  const EvalId id = AddEval(where);
  std::optional<ProgramType> type = TypeOf(expr, wanted, 1);
  if (!type) return std::nullopt;
  const DefId def = AddDef(NewName(name), std::move(*type), id, where, implied);
  program_.evals[Index(id)].outs.push_back(def);
  return def;
}

std::optional<DefId> ProgramBuilder::ValueOf(const ExprTree& expr, const ProgramType* wanted,
                                             std::string_view name) {
  if (expr.kind == ExprTree::Kind::kName) {
    const Binding* binding = names_.Find(expr.text);
    const bool fits = binding != nullptr && binding->kind == Binding::Kind::kDef &&
                      (wanted == nullptr || program_.def(binding->def).type == *wanted);
    if (fits) return binding->def;
  }
  return Compute(expr, wanted, std::string(name), expr.where, true);
}

std::optional<DefId> ProgramBuilder::Condition(const ExprTree& expr) {
  const std::optional<DefId> def = ValueOf(expr, nullptr, PrintExpr(expr));
  if (!def) return std::nullopt;
  const ProgramType& type = program_.def(*def).type;
  if (type == ProgramType{Scalar::kBool, {}}) return def;
  out_.Error("T1", expr.where,
             fmt::format("a condition is bool, '{}' is {}", PrintExpr(expr), TypeText(type)))
      .Help(type.shape.empty() ? fmt::format("compare it: {} != 0", PrintExpr(expr))
                               : "reduce it to a single bool");
  return std::nullopt;
}

void ProgramBuilder::Do(const val::Let& let, Where where) {
  const size_t count = 1 + let.more.size();
  const auto name_at = [&](size_t i) -> const NameAt& {
    return i == 0 ? let.name : let.more[i - 1];
  };
  const NameTable::NameId first = names_.Intern(let.name.text);
  std::optional<ProgramType> wanted;
  if (let.type) wanted = typer_.Resolve(*let.type);
  bool free = CanDefine(let.name, first);
  for (size_t i = 1; free && i < count; ++i) free = CanDefine(name_at(i));
  const auto give_up = [&] {
    for (size_t i = 0; i < count; ++i) {
      if (names_.Find(name_at(i).text) == nullptr) Break(name_at(i));
    }
  };
  if (!free || (let.type && !wanted)) return give_up();
  if (const Declared* function = ToInline(let)) {
    Inline(let, *function);
    return give_up();  // what it did not define
  }
  const EvalId id = AddEval(where);
  std::optional<ProgramType> type = TypeOf(let.value, wanted ? &*wanted : nullptr, count);
  if (!type) return give_up();
  for (size_t i = 0; i < count; ++i) {
    const NameAt& name = name_at(i);
    const NameTable::NameId name_id = i == 0 ? first : names_.Intern(name.text);
    ProgramType one = count > 1 ? typer_.call_results()[i] : std::move(*type);
    const DefId def = AddDef(NewName(name.text, name_id), std::move(one), id, name.where);
    program_.evals[Index(id)].outs.push_back(def);
    Bind(name_id, name.where, def);
  }
}

void ProgramBuilder::Do(const val::Output& output, Where where) {
  if (output.returns && return_ != nullptr) return Return(output);
  if (!output.returns && return_ != nullptr) {
    out_.Error("T4", where, "a function has no output").Help("return the value");
    return;
  }
  for (const ExprTree& expr : output.values) {
    AddEval(expr.where, Eval::Kind::kOutput);
    program_.evals.back().output = true;
    if (!typer_.Append(expr, nullptr, program_.evals.back())) program_.evals.pop_back();
  }
}

void ProgramBuilder::Do(const val::Const& constant, Where) {
  if (!CanDefine(constant.name)) return;
  const std::optional<Constant> value = typer_.Evaluate(constant.value);
  if (!value) {
    out_.Error("T3", constant.value.where,
               "a constant is made of numbers and other constants, and is neither too large nor "
               "divided by 0");
    return Break(constant.name);
  }
  names_.BindConstant(names_.Intern(constant.name.text), *value, NameTable::kEveryFrame,
                      constant.name.where);
}

// --- conditionals ---

void ProgramBuilder::Do(const val::If& statement, Where) {
  const std::optional<DefId> condition = Condition(statement.condition);
  if (!condition) {  // the arms are looked at all the same
    program_.defs.push_back({"", {Scalar::kBool, {}}, {}, true, {}});
  }
  const auto index = static_cast<uint32_t>(program_.branches.size());
  Branch branch;
  branch.condition = condition ? *condition : DefId(program_.defs.size() - 1);
  branch.written = Owned(statement.condition);
  branch.text = PrintExpr(branch.written);
  branch.where = statement.condition.where;
  program_.branches.push_back(std::move(branch));
  const ScopeId outer = scope_;
  std::vector<NameTable::Closed> arms[2];
  for (const bool arm : {true, false}) {
    const ScopeId scope = Enter(arm ? ProgramScope::Kind::kThen : ProgramScope::Kind::kElse, index);
    (arm ? program_.branches[index].then : program_.branches[index].otherwise) = scope;
    names_.Open();
    ResolveAll(arm ? statement.then : statement.otherwise);
    arms[arm ? 0 : 1] = names_.Close();
    scope_ = outer;
  }
  MergeArms(index, arms[0], arms[1]);
}

void ProgramBuilder::MergeArms(uint32_t branch, const std::vector<NameTable::Closed>& then,
                               const std::vector<NameTable::Closed>& otherwise) {
  using Kind = Binding::Kind;
  std::unordered_map<NameTable::NameId, const Binding*> other;
  for (const NameTable::Closed& closed : otherwise) other[closed.name] = &closed.binding;
  const auto partial = [&](const NameTable::Closed& closed, bool arm) {
    Binding binding = closed.binding;
    if (binding.kind != Kind::kBroken) binding.kind = Kind::kPartial;
    binding.detail = branch;
    binding.arm = arm;
    names_.Bind(closed.name, binding);
  };
  for (const NameTable::Closed& closed : then) {
    const auto found = other.find(closed.name);
    if (found == other.end()) {
      partial(closed, true);
      continue;
    }
    const Binding &a = closed.binding, &b = *found->second;
    other.erase(found);
    Binding merged = a;
    if (a.kind != Kind::kDef || b.kind != Kind::kDef) {
      merged.kind =
          a.kind == Kind::kBroken || b.kind == Kind::kBroken ? Kind::kBroken : Kind::kPartial;
      merged.detail = branch;
      names_.Bind(closed.name, merged);
      continue;
    }
    const ProgramType type = program_.def(a.def).type;
    if (program_.def(b.def).type != type) {
      out_.Error("T1", b.where,
                 fmt::format("'{}' is {} in one arm and {} in the other", names_.text(closed.name),
                             TypeText(type), TypeText(program_.def(b.def).type)))
          .NoteAt(a.where, "the other definition");
      merged.kind = Kind::kBroken;
      names_.Bind(closed.name, merged);
      continue;
    }
    const EvalId id = AddEval(a.where, Eval::Kind::kMerge);
    program_.evals.back().index = branch;
    program_.evals.back().ins = {program_.branches[branch].condition, a.def, b.def};
    merged.def =
        AddDef(NewName(fmt::format("{}@join", names_.text(closed.name))), type, id, a.where, true);
    program_.evals[Index(id)].outs = {merged.def};
    names_.Bind(closed.name, merged);
  }
  for (const NameTable::Closed& closed : otherwise) {
    if (other.contains(closed.name)) partial(closed, false);
  }
}

}  // namespace tinyai
