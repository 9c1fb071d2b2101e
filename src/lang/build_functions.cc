#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "lang/print_schedule.h"
#include "lang/program_builder.h"

namespace tinyai {
namespace {

// Longer functions are called; shorter ones become part of their caller, so that schedules can
// place what is in them.
constexpr size_t kMostInlinedEvals = 1000;
// Of functions that become part of each other.
constexpr size_t kMostCopies = 16;

}  // namespace

bool ProgramBuilder::CanDeclare(const NameAt& name) {
  const std::vector<std::string_view>& builtins = BuiltinNames();
  const bool taken = std::find(builtins.begin(), builtins.end(), name.text) != builtins.end() ||
                     ScalarOf(name.text).has_value();
  if (taken || callables_.functions.contains(name.text) || callables_.externs.contains(name.text) ||
      callables_.classes.contains(name.text)) {
    out_.Error("A9", name.where, fmt::format("there is a function '{}' already", name.text))
        .Help("give one of them another name");
    return false;
  }
  return true;
}

void ProgramBuilder::Do(const val::Extern& declared, Where where) {
  if (!CanDeclare(declared.name)) return;
  ProgramExtern out;
  out.name = declared.name.text;
  out.where = where;
  for (const val::Function::Param& param : declared.params) {
    const std::optional<ProgramType> type = typer_.Resolve(param.type);
    if (!type) return;
    out.params.push_back(*type);
  }
  const std::optional<ProgramType> result = typer_.Resolve(declared.result);
  if (!result) return;
  out.result = *result;
  for (const val::Extern::Kernel& kernel : declared.kernels) {
    out.kernels.push_back({kernel.place, kernel.name});
  }
  callables_.externs[declared.name.text] = static_cast<uint32_t>(program_.externs.size());
  program_.externs.push_back(std::move(out));
}

void ProgramBuilder::Do(const val::Class& declared, Where where) {
  if (!CanDeclare(declared.name)) return;
  ProgramClass out;
  out.name = declared.name.text;
  out.where = where;
  for (const NameAt& member : declared.members) {
    const auto found = callables_.externs.find(member.text);
    if (found == callables_.externs.end()) {
      out_.Error("I7", member.where, fmt::format("no 'extern fn {}' is declared", member.text))
          .Help("a class names extern functions that compute the same");
      return;
    }
    const ProgramExtern& one = program_.externs[found->second];
    if (!out.externs.empty()) {
      const ProgramExtern& first = program_.externs[out.externs[0]];
      if (one.params != first.params || one.result != first.result) {
        out_.Error("T1", member.where,
                   fmt::format("'{}' and '{}' differ in their types", first.name, one.name))
            .NoteAt(first.where, "the other one");
        return;
      }
    }
    out.externs.push_back(found->second);
  }
  callables_.classes[declared.name.text] = static_cast<uint32_t>(program_.classes.size());
  program_.classes.push_back(std::move(out));
}

// The body is resolved once by itself: what calls it, and what says whether it is right.
void ProgramBuilder::Do(const val::Function& function, Where where) {
  if (!CanDeclare(function.name)) return;
  Callables::Function callable;
  callable.index = static_cast<uint32_t>(program_.functions.size());
  for (const val::Function::Param& param : function.params) {
    const std::optional<ProgramType> type = typer_.Resolve(param.type);
    if (!type) return;
    callable.params.push_back(*type);
  }
  for (const TypeSyntax& syntax : function.results) {
    const std::optional<ProgramType> type = typer_.Resolve(syntax);
    if (!type) return;
    callable.results.push_back(*type);
  }
  const std::string_view name = function.name.text;
  program_.functions.push_back({std::string(name), {}, {}, {}, where});
  if (!callable.results.empty()) callables_.functions[name] = callable;  // it may call itself
  const size_t first_eval = program_.evals.size();
  const ScopeId outer = scope_;
  const uint32_t frame = names_.EnterFrame();
  names_.Open();
  ReturnFrame frame_of_return;
  ReturnFrame* const outer_return = std::exchange(return_, &frame_of_return);
  std::vector<LoopFrame*> outer_loops = std::exchange(loops_, {});
  const std::string prefix = std::exchange(prefix_, std::string(name) + ".");
  frame_of_return.scope = Enter(ProgramScope::Kind::kFunction, callable.index);
  program_.functions[callable.index].body = frame_of_return.scope;
  for (size_t i = 0; i < function.params.size(); ++i) {
    const NameAt& param = function.params[i].name;
    if (!CanDefine(param)) continue;
    const DefId def = AddDef(NewName(param.text), callable.params[i], {}, param.where, true);
    program_.functions[callable.index].params.push_back(def);
    Bind(param, def);
  }
  ResolveAll(function.body);
  prefix_ = prefix;
  loops_ = std::move(outer_loops);
  return_ = outer_return;
  names_.Close();
  names_.LeaveFrame(frame);
  scope_ = outer;
  if (!frame_of_return.returned && frame_of_return.results.empty()) {
    out_.Error("T4", function.name.where, fmt::format("'{}' returns nothing", name))
        .Help("end it with: return name;");
    return;
  }
  std::vector<ProgramType> results;
  for (const DefId def : frame_of_return.results) results.push_back(program_.def(def).type);
  if (!callable.results.empty() && callable.results != results) {
    out_.Error("T1", function.name.where,
               fmt::format("'{}' returns {}, and is declared to return {}", name,
                           results.empty() ? "nothing" : TypeText(results[0]),
                           TypeText(callable.results[0])));
    return;
  }
  callable.results = std::move(results);
  callables_.functions[name] = callable;
  program_.functions[callable.index].results = frame_of_return.results;
  Declared declared;
  declared.syntax = function;
  declared.evals = program_.evals.size() - first_eval;
  for (size_t i = first_eval; i < program_.evals.size(); ++i) {
    for (const ExprNode& node : program_.evals[i].code) {
      declared.recursive = declared.recursive ||
                           (node.kind == ExprNode::Kind::kCall && node.index == callable.index);
    }
  }
  functions_.emplace(name, std::move(declared));
}

void ProgramBuilder::Return(const val::Output& output) {
  if (scope_ != return_->scope || !loops_.empty()) {
    out_.Error("T4", output.values[0].where,
               "'return' stands at the end of a function, not inside "
               "an 'if' or a loop")
        .Help("define a name in both arms, and return that");
    return_->results.clear();
    return_->returned = true;
    return;
  }
  const val::Let* target = return_->target;
  if (target != nullptr && target->more.size() + 1 != output.values.size()) return;  // was reported
  for (size_t i = 0; i < output.values.size(); ++i) {
    const ExprTree& expr = output.values[i];
    std::optional<DefId> def = ValueOf(expr, nullptr, fmt::format("@{}", i));
    if (!def) break;
    if (target != nullptr) {
      const NameAt& name = i == 0 ? target->name : target->more[i - 1];
      const std::string prefix = std::exchange(prefix_, return_->prefix);
      const bool used = std::find(return_->results.begin(), return_->results.end(), *def) !=
                        return_->results.end();
      if (Index(*def) < return_->first_def || used) {
        // A value of the caller, or one that has a name already, under a new name.
        const EvalId id = AddEval(expr.where);
        Eval& eval = program_.evals.back();
        eval.ins = {*def};
        ExprNode node;
        node.kind = ExprNode::Kind::kOperand;
        node.type = program_.def(*def).type;
        eval.code = program_.code->Keep({&node, 1});
        def = AddDef(NewName(name.text), program_.def(*def).type, id, name.where);
        program_.evals[Index(id)].outs = {*def};
      } else {
        program_.defs[Index(*def)].name = NewName(name.text);
        const Eval& maker = program_.eval(program_.def(*def).maker);
        program_.defs[Index(*def)].implied = maker.kind == Eval::Kind::kMerge;
      }
      prefix_ = prefix;
    }
    return_->results.push_back(*def);
  }
  return_->returned = true;
}

const ProgramBuilder::Declared* ProgramBuilder::ToInline(const val::Let& let) const {
  if (let.value.kind != ExprTree::Kind::kCall ||
      let.value.operands[0].kind != ExprTree::Kind::kName) {
    return nullptr;
  }
  const auto found = functions_.find(let.value.operands[0].text);
  if (found == functions_.end() || found->second.recursive) return nullptr;
  const auto callable = callables_.functions.find(found->first);
  if (callable->second.results.size() != let.more.size() + 1) return nullptr;
  if (let.value.operands.size() - 1 != callable->second.params.size()) return nullptr;
  if (found->second.evals > kMostInlinedEvals || copies_ >= kMostCopies) return nullptr;
  return &found->second;
}

// The call becomes the function's body: y = f(x) gives y.t for each t of it, and y.
void ProgramBuilder::Inline(const val::Let& let, const Declared& function) {
  const Callables::Function& callable = callables_.functions.at(function.syntax.name.text);
  ReturnFrame frame;
  frame.target = &let;
  frame.prefix = prefix_;
  frame.scope = scope_;
  const std::string prefix = fmt::format("{}{}.", prefix_, let.name.text);
  std::vector<std::pair<const NameAt*, Binding>> params;
  for (size_t i = 0; i < function.syntax.params.size(); ++i) {
    const ExprTree& arg = let.value.operands[i + 1];
    const NameAt& param = function.syntax.params[i].name;
    const std::string outer = std::exchange(prefix_, prefix);
    const std::optional<DefId> def = ValueOf(arg, &callable.params[i], param.text);
    prefix_ = outer;
    if (!def) return;
    Binding binding;
    binding.kind = Binding::Kind::kDef;
    binding.def = *def;
    binding.where = param.where;
    params.emplace_back(&param, binding);
  }
  frame.first_def = program_.defs.size();
  const uint32_t outer_frame = names_.EnterFrame();
  names_.Open();
  for (auto& [name, binding] : params) {
    binding.frame = names_.frame();
    names_.Bind(names_.Intern(name->text), binding);
  }
  ReturnFrame* const outer_return = std::exchange(return_, &frame);
  std::vector<LoopFrame*> outer_loops = std::exchange(loops_, {});
  prefix_ = prefix;
  ++copies_;
  ResolveAll(function.syntax.body);
  --copies_;
  prefix_ = frame.prefix;
  loops_ = std::move(outer_loops);
  return_ = outer_return;
  names_.Close();
  names_.LeaveFrame(outer_frame);
  for (size_t i = 0; i < frame.results.size(); ++i) {
    Bind(i == 0 ? let.name : let.more[i - 1], frame.results[i]);
  }
}

}  // namespace tinyai
