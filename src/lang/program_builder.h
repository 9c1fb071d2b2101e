#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/name_table.h"
#include "lang/program.h"
#include "lang/resolve_program.h"
#include "lang/type_expr.h"
#include "lang/value_file.h"

namespace tinyai {

// Makes a program of statements, one after the other.
class ProgramBuilder {
 public:
  // `diagnostics` outlives this object.
  explicit ProgramBuilder(Diagnostics& diagnostics);

  void set_name(std::string name) { program_.name = std::move(name); }
  // About so many statements will come.
  void Expect(size_t statements);
  // A statement that defines this name will come soon.
  [[gnu::always_inline]] void Announce(std::string_view name) const { names_.Fetch(name); }
  // From now on nothing is reported.
  void set_quiet() { out_.set_quiet(); }
  void Add(const ValueStatement& statement) { Resolve(statement); }
  Program Finish() { return std::move(program_); }

 private:
  void Resolve(const ValueStatement& statement);
  void ResolveAll(const ValueBlock& block);
  void Do(const val::Let& let, Where where);
  void Do(const val::If& branch, Where where);
  void Do(const val::For& loop, Where where);
  void Do(const val::While& loop, Where where);
  void Do(const val::Next& next, Where where);
  void Do(const val::Output& output, Where where);
  void Do(const val::Function& function, Where where);
  void Do(const val::Extern& declared, Where where);
  void Do(const val::Class& declared, Where where);
  void Do(const val::Const& constant, Where where);

  // --- definitions (program_builder.cc) ---
  bool CanDefine(const NameAt& name);
  bool CanDefine(const NameAt& name, NameTable::NameId id);
  // A name that no def has yet: z, z', z''.
  std::string NewName(std::string_view name);
  std::string NewName(std::string_view name, NameTable::NameId id);
  DefId AddDef(std::string name, ProgramType type, EvalId maker, Where where, bool implied = false);
  void Bind(const NameAt& name, DefId def) { Bind(names_.Intern(name.text), name.where, def); }
  void Bind(NameTable::NameId name, Where where, DefId def);
  void Break(const NameAt& name);
  // Makes the expression what the last eval computes, or takes that back if it has no type.
  std::optional<ProgramType> TypeOf(const ExprTree& expr, const ProgramType* wanted,
                                    size_t results);
  // The value of an expression: that of a name, or of a new def `name`.
  std::optional<DefId> Compute(const ExprTree& expr, const ProgramType* wanted, std::string name,
                               Where where, bool implied);
  std::optional<DefId> ValueOf(const ExprTree& expr, const ProgramType* wanted,
                               std::string_view name);
  // Nothing if the value is not a single bool.
  std::optional<DefId> Condition(const ExprTree& expr);
  // The last one may be taken back.
  EvalId AddEval(Where where, Eval::Kind kind = Eval::Kind::kCompute);
  ScopeId Enter(ProgramScope::Kind kind, uint32_t index);
  void MergeArms(uint32_t branch, const std::vector<NameTable::Closed>& then,
                 const std::vector<NameTable::Closed>& otherwise);

  // --- loops (build_loops.cc) ---
  struct Carried {
    NameTable::NameId name = 0;
    NameAt written;
    DefId now{};  // in this iteration
    std::optional<DefId> next;
    bool broken = false;
  };
  using LoopFrame = std::vector<Carried>;
  LoopFrame InitCarried(const std::vector<val::Carry>& carries);
  struct LoopParts {
    uint32_t index = 0;
    EvalId eval{};
    size_t first_def = 0, first_eval = 0, first_branch = 0;
    ScopeId outer{};
  };
  LoopParts Begin(std::string name, Where where);
  void Body(LoopParts& parts, LoopFrame carried, const NameAt* index, const ProgramType& index_type,
            const ExprTree* condition, const ValueBlock& body);
  void FindReads(const LoopParts& parts);

  // --- functions (build_functions.cc) ---
  struct Declared {
    val::Function syntax;
    bool recursive = false;
    size_t evals = 0;  // of its body
  };
  // Where `return` goes.
  struct ReturnFrame {
    const val::Let* target = nullptr;  // of the call that the body becomes part of
    std::string prefix;                // around that call
    size_t first_def = 0;
    std::vector<DefId> results;
    bool returned = false;
    ScopeId scope{};  // of the body
  };
  bool CanDeclare(const NameAt& name);
  void Inline(const val::Let& let, const Declared& function);
  void Return(const val::Output& output);
  const Declared* ToInline(const val::Let& let) const;

  Diagnostics& diagnostics_;
  Complaints out_;
  Program program_;
  NameTable names_;
  Callables callables_;
  ExprTyper typer_;
  ScopeId scope_{};
  std::string prefix_;              // of names in bodies that were copied: "y."
  std::vector<uint32_t> versions_;  // by id of a name: how many definitions
  std::vector<LoopFrame*> loops_;   // around this place, the innermost last
  std::unordered_map<std::string_view, Declared> functions_;  // by name, as in the source
  ReturnFrame* return_ = nullptr;                             // of the function around this place
  size_t copies_ = 0;  // bodies around this place that were copied
};

}  // namespace tinyai
