#include "base/escape.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace tinyai {

std::string TextStream::Push(std::string_view bytes) {
  pending_ += bytes;
  // At most the last three bytes can be the beginning of a character.
  size_t held = 0;
  for (size_t size = 1; size <= 3 && size <= pending_.size(); ++size) {
    if (IsUnfinishedUtf8(std::string_view(pending_).substr(pending_.size() - size))) held = size;
  }
  std::string text = ToValidUtf8(std::string_view(pending_).substr(0, pending_.size() - held));
  pending_.erase(0, pending_.size() - held);
  return text;
}

std::string TextStream::Finish() {
  std::string text = ToValidUtf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace tinyai
