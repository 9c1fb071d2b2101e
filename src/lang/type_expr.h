#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/name_table.h"
#include "lang/program.h"
#include "lang/schedule.h"
#include "lang/value_file.h"

namespace tinyai {

// What expressions may call besides what the language has.
struct Callables {
  struct Function {
    std::vector<ProgramType> params, results;
    uint32_t index = 0;  // into the program's functions
  };
  std::unordered_map<std::string_view, Function> functions;  // by name, as in the source
  std::unordered_map<std::string_view, uint32_t> externs, classes;
};

// What is wrong with a program, at most once for each cause.
class Complaints {
 public:
  explicit Complaints(Diagnostics& out) : out_(out) {}
  Diagnostic& Error(std::string code, Span span, std::string message);
  Diagnostic& Warning(std::string code, Span span, std::string message);
  // Says no more: what follows would follow from what was said.
  void set_quiet() { quiet_ = true; }
  bool quiet() const { return quiet_; }
  const SourceText& source() const { return out_.source(); }

 private:
  Diagnostics& out_;
  Diagnostic dropped_;
  bool quiet_ = false;
};

// Turns expressions into the code of evals. Literals take the type of what they meet; alone, whole
// ones are i32 (i64 if they do not fit) and others f32.
class ExprTyper {
 public:
  // All outlive this object.
  ExprTyper(Program& program, NameTable& names, const Callables& callables, Complaints& out)
      : program_(program), names_(names), callables_(callables), out_(out), code_(*program.code) {}

  // Makes the expression the eval's code, and what it reads its operands. `wanted`: what
  // the statement declares. Nothing, and reported (or known to be broken), if it has no type. A
  // call of several results is allowed only as `results` of them.
  std::optional<ProgramType> Append(const ExprTree& expr, const ProgramType* wanted, Eval& eval,
                                    size_t results = 1);

  // Nothing if the expression is not known while the program is read.
  std::optional<Constant> Evaluate(const ExprTree& expr) const;
  std::optional<ProgramType> Resolve(const TypeSyntax& type);
  // The types of the results of a call of several; for a function of one, that.
  const std::vector<ProgramType>& call_results() const { return call_results_; }
  // A size, a count: reported if it is none.
  std::optional<uint64_t> WholeConstant(const ExprTree& expr, std::string_view what);
  // Says that a name means nothing here; returns nothing.
  std::nullopt_t Unknown(std::string_view name, Span where);

 private:
  struct Typed {
    uint32_t node = 0;
    bool loose = false;  // of literals only: takes another type where it has to
    uint32_t first = 0;  // the nodes of the tree are first..node
  };
  using MaybeTyped = std::optional<Typed>;
  using Kind = ExprNode::Kind;

  MaybeTyped Build(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Name(const ExprTree& expr);
  MaybeTyped Number(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Unary(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Binary(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Choice(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Element(const ExprTree& expr);
  MaybeTyped Array(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Call(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Input(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Builtin(const ExprTree& expr, std::string_view name, const ProgramType* wanted,
                     bool& known);
  MaybeTyped Elementwise(const ExprTree& expr, Kind kind, const ProgramType* wanted);
  MaybeTyped Fractional(const ExprTree& expr, Kind kind, const ProgramType* wanted);
  MaybeTyped Reduction(const ExprTree& expr, Kind kind);
  MaybeTyped Matmul(const ExprTree& expr);
  MaybeTyped Transpose(const ExprTree& expr);
  MaybeTyped Rows(const ExprTree& expr);
  MaybeTyped Concat(const ExprTree& expr);
  MaybeTyped Reshape(const ExprTree& expr);
  MaybeTyped Fill(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Iota(const ExprTree& expr, const ProgramType* wanted);
  MaybeTyped Shift(const ExprTree& expr);
  MaybeTyped Histogram(const ExprTree& expr);
  MaybeTyped Convert(const ExprTree& expr, Scalar scalar);
  MaybeTyped Callee(const ExprTree& expr, Kind kind, uint32_t index,
                    const std::vector<ProgramType>& params, const ProgramType& result);

  // Parts of the above.
  bool Arguments(const ExprTree& expr, size_t least, size_t most);
  MaybeTyped Tensor(const ExprTree& expr);  // an operand that is not loose
  bool Join(Typed& a, Typed& b, const ExprTree& expr);
  bool Fit(Typed& typed, const ProgramType& type, const ExprTree& expr);
  bool Settle(Typed& typed, const ExprTree& expr);
  bool Retype(const Typed& typed, Scalar scalar, const ExprTree& expr);
  std::optional<Dimensions> ShapeOf(const ExprTree& expr);
  bool CheckSize(const ProgramType& type, Span where);
  Typed Add(Kind kind, ProgramType type, ExprNode::Args args, uint32_t first, bool loose = false);
  const ProgramType& TypeOf(const Typed& typed) const { return code_[typed.node].type; }
  std::string Text(const ExprTree& expr) const;
  void Mismatch(const ExprTree& expr, const ProgramType& a, const ProgramType& b);

  Program& program_;
  NameTable& names_;
  const Callables& callables_;
  Complaints& out_;
  Eval* eval_ = nullptr;  // that is being built
  CodeStore& code_;       // its code comes last
  size_t results_ = 1;
  const ExprTree* whole_ = nullptr;        // the expression of the statement
  std::vector<ProgramType> call_results_;  // of a call of several
  struct Operand {
    uint32_t seen_in = 0;  // the last eval that reads it, by number
    uint32_t place = 0;    // among its `ins`
  };
  std::vector<Operand> operand_of_;  // by def
  uint32_t eval_number_ = 0;
};

// What the language has by itself.
const std::vector<std::string_view>& BuiltinNames();

// Numbers and what can be computed with them.
bool IsWhole(Scalar scalar);
bool IsFractional(Scalar scalar);

}  // namespace tinyai
