#include "device/kernel_type.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include "fmt/format.h"

namespace tinyai {
namespace {

bool IsNameByte(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<KernelType> Read() {
    KernelType type;
    TRY(Take("("));
    if (!Takes(")")) {
      do {
        TRY_ASSIGN(type.params.emplace_back(), ReadTensor());
      } while (Takes(","));
      TRY(Take(")"));
    }
    TRY(Take("->"));
    TRY_ASSIGN(type.result, ReadTensor());
    SkipBlanks();
    if (at_ != text_.size()) return Wrong("nothing more");
    return type;
  }

 private:
  tl::unexpected<Error> Wrong(std::string_view wanted) const {
    return Fail(ErrorCode::kBadFile, "KERNEL_FILE",
                fmt::format("the type '{}' of a kernel: byte {} should be {}; a type is written "
                            "'(f32[n, 4], f32) -> f32[n]'",
                            text_, at_, wanted));
  }
  void SkipBlanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Takes(std::string_view mark) {
    SkipBlanks();
    if (text_.substr(at_, mark.size()) != mark) return false;
    at_ += mark.size();
    return true;
  }
  Status Take(std::string_view mark) {
    if (Takes(mark)) return {};
    return Wrong(fmt::format("'{}'", mark));
  }
  std::string_view Word() {
    SkipBlanks();
    const size_t begin = at_;
    while (at_ < text_.size() && IsNameByte(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  Result<KernelType::Tensor> ReadTensor() {
    KernelType::Tensor tensor;
    SkipBlanks();
    const size_t begin = at_;
    const std::optional<Scalar> scalar = ScalarOf(Word());
    if (!scalar) {
      at_ = begin;
      return Wrong("a type of numbers, such as f32");
    }
    tensor.scalar = *scalar;
    if (!Takes("[")) return tensor;
    do {
      const std::string_view word = Word();
      uint64_t size = 0;
      const auto read = std::from_chars(word.data(), word.data() + word.size(), size);
      if (word.empty()) return Wrong("a size, or a name for one");
      if (read.ec == std::errc() && read.ptr == word.data() + word.size()) {
        tensor.dims.emplace_back(size);
      } else {
        tensor.dims.emplace_back(std::string(word));
      }
    } while (Takes(","));
    TRY(Take("]"));
    return tensor;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

bool IsOf(const ProgramType& type, const KernelType::Tensor& wanted,
          std::map<std::string, uint64_t>& sizes) {
  if (type.scalar != wanted.scalar || type.shape.size() != wanted.dims.size()) return false;
  for (size_t i = 0; i < wanted.dims.size(); ++i) {
    const uint64_t* size = std::get_if<uint64_t>(&wanted.dims[i]);
    if (size == nullptr) {
      size = &sizes.emplace(std::get<std::string>(wanted.dims[i]), type.shape[i]).first->second;
    }
    if (*size != type.shape[i]) return false;
  }
  return true;
}

}  // namespace

Result<KernelType> ReadKernelType(std::string_view text) { return Reader(text).Read(); }

bool IsOfType(const ProgramExtern& function, const KernelType& type) {
  std::map<std::string, uint64_t> sizes;
  return std::equal(function.params.begin(), function.params.end(), type.params.begin(),
                    type.params.end(),
                    [&](const ProgramType& given, const KernelType::Tensor& wanted) {
                      return IsOf(given, wanted, sizes);
                    }) &&
         IsOf(function.result, type.result, sizes);
}

std::string KernelTypeText(const ProgramExtern& function) {
  std::string text = "(";
  for (const ProgramType& param : function.params) {
    text += (text.size() > 1 ? ", " : "") + TypeText(param);
  }
  return text + ") -> " + TypeText(function.result);
}

}  // namespace tinyai
