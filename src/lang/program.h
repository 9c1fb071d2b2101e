#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/index.h"
#include "lang/dimensions.h"
#include "lang/schedule.h"
#include "lang/source.h"

namespace tinyai {

// What a value program computes, as plain data: names resolved, types known, each value defined
// once. The result of ResolveProgram; docs/language.md describes the language.

enum class DefId : uint32_t {};    // a value
enum class EvalId : uint32_t {};   // what makes values
enum class ScopeId : uint32_t {};  // where an eval stands

enum class Scalar : uint8_t { kBool, kI32, kI64, kF16, kBF16, kF32, kF64, kQ8, kQ4 };

struct ProgramType {
  Scalar scalar = Scalar::kI32;
  Dimensions shape = {};  // row-major; empty: a single number

  bool operator==(const ProgramType&) const = default;
};
// Of a type whose product fits (resolved ones do).
uint64_t ElementCount(const ProgramType& type);
uint64_t ByteSize(const ProgramType& type);
std::string_view ScalarName(Scalar scalar);
std::optional<Scalar> ScalarOf(std::string_view name);
std::string TypeText(const ProgramType& type);  // "f32[4, 3]"

// One definition of a name. After an `if`, a name that both arms define means a merged value, which
// is a definition too.
struct Def {
  std::string name;  // as schedules call it: "z", "z'", "y.t"; what has no name of its own is
                     // called by its text ("b > 0"), a merged value "z@join", a final one "s@loop"
  ProgramType type;
  EvalId maker{};
  bool implied = false;  // nobody wrote it as a statement: a condition, a merged value
  Where where = {};      // of the name
};

// One step of an expression. Operations work on elements; where one operand is a single number, it
// is used with each element of the other. All are total: x / 0 and x % 0 are 0 for whole numbers,
// and set the program's trap, which is reported with the output; whole numbers wrap around.
struct ExprNode {
  enum class Kind : uint8_t {
    kOperand,   // index: into the eval's `ins`
    kConstant,  // number or integer, by type; bool: integer
    kInput,     // the next value of the input
    kConvert,   // to `type`; to whole numbers: towards zero, the nearest that there is
    kNegate,
    kNot,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kModulo,  // with the sign of the dividend
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kAnd,  // both operands are evaluated
    kOr,
    kSelect,   // condition, yes, no
    kElement,  // tensor, index: of the first dimension; an index outside is moved to the next one
               // inside
    kArray,    // args stacked along a new first dimension
    kAbs,
    kSqrt,
    kExp,
    kLog,
    kSin,
    kCos,
    kTanh,
    kFloor,
    kMin,
    kMax,
    kPow,
    kSum,        // of all elements, from first to last, to a single number
    kReduceMin,  // the same
    kReduceMax,
    kMatmul,     // [m, k] x [k, n]; [k] x [k, n]; [m, k] x [k]; [k] x [k]
    kTranspose,  // [m, n] -> [n, m]
    kRows,       // tensor, begin; as many rows as `type` says, begin moved inside
    kConcat,     // along the first dimension
    kReshape,    // same elements, other shape
    kFill,       // one number, everywhere
    kIota,       // 0, 1, 2, ..
    kShift,      // tensor, steps..: out[i, j] = in[i - steps[0], j - steps[1]], edges repeated
    kHistogram,  // counts of floor(x) in [0, bins): i32[bins]; what lies outside is not counted
    kExtern,     // index: into Program::externs
    kClass,      // index: into Program::classes; one of them, which the compiler chooses
    kCall,       // index: into Program::functions; may have several results
  };
  Kind kind = Kind::kConstant;
  uint32_t index = 0;
  ProgramType type;
  using Args = absl::InlinedVector<uint32_t, 4>;
  Args args = {};  // earlier nodes
  int64_t integer = 0;
  double number = 0;
};

// The nodes of a program's evals, which neither move nor change.
class CodeStore {
 public:
  // Moves the nodes here.
  std::span<const ExprNode> Keep(std::span<ExprNode> nodes);

  // The nodes of the next eval, which are written where they stay, one after the other. Begin()
  // leaves out those that were not kept.
  void Begin();
  ExprNode& Add();
  size_t size() const { return size_; }
  ExprNode& operator[](size_t i) { return open_[i]; }
  const ExprNode& operator[](size_t i) const { return open_[i]; }
  ExprNode& back() { return open_[size_ - 1]; }
  std::span<const ExprNode> Keep();

 private:
  void MakeRoom(size_t nodes);  // for so many, and those that are not kept

  std::deque<std::vector<ExprNode>> blocks_;
  ExprNode* open_ = nullptr;  // at the end of the last block: the nodes that are not kept
  size_t size_ = 0;           // of these
};

// What makes values: a statement of the program, or what one implies.
struct Eval {
  enum class Kind : uint8_t {
    kCompute,  // outs = the last node of `code`
    kMerge,   // outs[0] = ins[0] ? ins[1] : ins[2]; only the one of the arm that was taken is there
    kLoop,    // loops[index]
    kOutput,  // gives out the last node of `code`
  };
  Kind kind = Kind::kCompute;
  ScopeId scope{};
  using Defs = absl::InlinedVector<DefId, 2>;
  Defs ins;                             // each once; of a loop: all that it reads from outside
  Defs outs;                            // several: of a call with several results, of a loop
  std::span<const ExprNode> code = {};  // args before whoever uses them; in the program's CodeStore
  uint32_t index = 0;                   // kLoop: into loops; kMerge: into branches
  bool input = false;                   // reads input, or a loop in which something does
  bool output = false;                  // kOutput, or a loop with one in it
  Where where = {};
};

// The arms of one `if`. Those without statements are there too.
struct Branch {
  DefId condition{};
  ScopeId then{}, otherwise{};
  Expr written;      // the condition
  std::string text;  // the same, canonical
  Where where = {};  // of the condition
};

// A loop: one op that one place carries out, or, where a schedule says what is done where in it,
// one of several places.
struct ProgramLoop {
  struct Carried {
    DefId init{};   // before the first iteration
    DefId param{};  // in an iteration
    DefId next{};   // at its end; becomes `param` of the next one
    DefId result{};
  };
  std::string name;  // of the index; of a `while`: of what it carries first
  ScopeId entry{};   // evals of begin, end and what is carried, before the first iteration
  std::optional<DefId> index;  // for: runs from begin to end - 1
  DefId begin{}, end{};        // for
  ScopeId test{};              // while: evals of the condition, before each iteration
  DefId condition{};           // while
  ScopeId body{};
  std::vector<Carried> carried;
  std::optional<uint64_t> trips;  // for: how many iterations, where that is known
  int64_t first = 0;              // for: where it begins, then
  uint64_t most_trips = 0;        // `max`; 0: not said. More are an error when the program runs
  Where where = {};
};

// A function that is called, since it calls itself or is long; others are part of their caller.
struct ProgramFunction {
  std::string name;
  std::vector<DefId> params;
  std::vector<DefId> results;
  ScopeId body{};
  Where where = {};
};

// A function whose code is elsewhere. By place: what its kernel is called there.
struct ProgramExtern {
  struct Kernel {
    std::string place, name;
  };
  std::string name;
  std::vector<ProgramType> params;
  ProgramType result;
  std::vector<Kernel> kernels;
  Where where = {};
};

// Functions that are as good as each other, by the user's word. All are extern.
struct ProgramClass {
  std::string name;
  std::vector<uint32_t> externs;
  Where where = {};
};

struct ProgramScope {
  enum class Kind : uint8_t { kProgram, kThen, kElse, kLoopEntry, kLoopTest, kLoopBody, kFunction };
  Kind kind = Kind::kProgram;
  ScopeId parent{};
  uint32_t index = 0;  // into branches, loops or functions
};

// Everything in program order; scope 0 is the program itself. An eval reads what is defined before
// it in its own scope or in one around it.
struct Program {
  std::string name;
  std::vector<Def> defs;
  std::vector<Eval> evals;
  std::vector<ProgramScope> scopes;
  std::vector<Branch> branches;
  std::vector<ProgramLoop> loops;
  std::vector<ProgramFunction> functions;
  std::vector<ProgramExtern> externs;
  std::vector<ProgramClass> classes;
  std::shared_ptr<CodeStore> code = std::make_shared<CodeStore>();  // of copies too

  const Def& def(DefId id) const { return defs[Index(id)]; }
  const Eval& eval(EvalId id) const { return evals[Index(id)]; }
  const ProgramScope& scope(ScopeId id) const { return scopes[Index(id)]; }
  // The evals of a scope, in order; those of scopes inside it are not among them.
  std::vector<EvalId> EvalsOf(ScopeId scope) const;
};

}  // namespace tinyai
