#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/program.h"

namespace tinyai {

// What a program reads with input(): numbers and truth values as JSON writes them, tensors as lists
// (nested as their shape is, or flat), one after the other with blanks or commas between. One
// thread at a time.
class ProgramInput {
 public:
  // `text` is kept; `name` is its file, for messages.
  explicit ProgramInput(std::string text, std::string name = "input")
      : text_(std::move(text)), name_(std::move(name)) {}

  // Writes the next value, of `type`, to `out`. Error PROGRAM_INPUT (bad file) says at which byte
  // what was found instead.
  Status Read(const ProgramType& type, std::byte* out);

 private:
  Status ReadTensor(const ProgramType& type, size_t dimension, std::byte*& out);
  Status ReadFlat(const ProgramType& type, std::byte* out);
  Status ReadNumber(Scalar scalar, std::byte* out);
  void SkipBlanks();
  bool Take(char c);
  tl::unexpected<Error> Wrong(std::string_view wanted) const;

  std::string text_, name_;
  size_t at_ = 0;
};

// A value as text: a number, true, false, or a list; floats with as many digits as tell them apart.
std::string FormatValue(const ProgramType& type, const std::byte* data);

}  // namespace tinyai
