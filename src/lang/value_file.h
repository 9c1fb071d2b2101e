#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lang/schedule.h"
#include "lang/source.h"

namespace tinyai {

// The statements and declarations of a value program as they are written; nothing is resolved.

struct NameAt {
  std::string text;
  Where where = {};
};

// f32[4, n]; more than one scalar: a tuple of a function's results.
struct TypeSyntax {
  std::string scalar;
  std::vector<Expr> shape;
  Where where = {};
};

struct ValueStatement;
using ValueBlock = std::vector<ValueStatement>;

namespace val {

struct Let {
  NameAt name;
  std::vector<NameAt> more;  // a, b = f(x)
  std::optional<TypeSyntax> type;
  Expr value;
};
struct If {
  Expr condition;
  ValueBlock then, otherwise;
};
// name = init: carried from iteration to iteration.
struct Carry {
  NameAt name;
  Expr init;
};
struct For {
  NameAt index;
  Expr begin, end;
  std::vector<Carry> carried;
  ValueBlock body;
};
struct While {
  Expr condition;
  std::vector<Carry> carried;
  std::optional<uint64_t> most;
  ValueBlock body;
};
struct Next {
  NameAt name;
  Expr value;
};
struct Output {
  bool returns = false;
  std::vector<Expr> values;
};
struct Function {
  struct Param {
    NameAt name;
    TypeSyntax type;
  };
  NameAt name;
  std::vector<Param> params;
  std::vector<TypeSyntax> results;
  ValueBlock body;
};
struct Extern {
  struct Kernel {
    std::string place, name;
  };
  NameAt name;
  std::vector<Function::Param> params;
  TypeSyntax result;
  std::vector<Kernel> kernels;
};
struct Class {
  NameAt name;
  std::vector<NameAt> members;
};
struct Const {
  NameAt name;
  Expr value;
};

}  // namespace val

struct ValueStatement {
  std::variant<val::Let, val::If, val::For, val::While, val::Next, val::Output, val::Function,
               val::Extern, val::Class, val::Const>
      what;
  Where where = {};
};

}  // namespace tinyai
