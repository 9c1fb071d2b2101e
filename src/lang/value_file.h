#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lang/expr_tree.h"
#include "lang/source.h"

namespace tinyai {

// The statements and declarations of a value program as they are written; nothing is resolved.
// Names are looked at where they stand in the source.

struct NameAt {
  std::string_view text;
  Where where = {};
};

// f32[4, n]; more than one scalar: a tuple of a function's results.
struct TypeSyntax {
  std::string_view scalar;
  std::vector<ExprTree> shape;
  Where where = {};
};

struct ValueStatement;
using ValueBlock = std::vector<ValueStatement>;

namespace val {

struct Let {
  NameAt name;
  std::vector<NameAt> more;  // a, b = f(x)
  std::optional<TypeSyntax> type;
  ExprTree value;
};
struct If {
  ExprTree condition;
  ValueBlock then, otherwise;
};
// name = init: carried from iteration to iteration.
struct Carry {
  NameAt name;
  ExprTree init;
};
struct For {
  NameAt index;
  ExprTree begin, end;
  std::vector<Carry> carried;
  ValueBlock body;
};
struct While {
  ExprTree condition;
  std::vector<Carry> carried;
  std::optional<uint64_t> most;
  ValueBlock body;
};
struct Next {
  NameAt name;
  ExprTree value;
};
struct Output {
  bool returns = false;
  std::vector<ExprTree> values;
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
  ExprTree value;
};

}  // namespace val

struct ValueStatement {
  std::variant<val::Let, val::If, val::For, val::While, val::Next, val::Output, val::Function,
               val::Extern, val::Class, val::Const>
      what;
  Where where = {};
};

}  // namespace tinyai
