#include "format/json_events.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/escape.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace tinyai {
namespace {

using Library = nlohmann::json;

constexpr size_t kMostDepth = 64;
constexpr uint64_t kWindowBytes = uint64_t{64} << 10;

// The text, a window of it in memory. After an error of reading it seems to end.
class Window {
 public:
  Window(const ByteSource& source, uint64_t begin, uint64_t end)
      : source_(source), end_(end), next_(begin) {
    Refill();
  }
  bool AtEnd() const { return at_ == bytes_.size(); }
  char Current() const { return static_cast<char>(bytes_[at_]); }
  void Advance() {
    if (++at_ == bytes_.size()) Refill();
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  void Refill() {
    at_ = 0;
    bytes_.resize(error_ ? 0 : std::min(kWindowBytes, end_ - next_));
    if (bytes_.empty()) return;
    if (Status read = source_.ReadAt(next_, bytes_); !read) {
      error_ = std::move(read).error();
      bytes_.clear();
    }
    next_ += bytes_.size();
  }

  const ByteSource& source_;
  const uint64_t end_;
  uint64_t next_;
  std::vector<std::byte> bytes_;
  size_t at_ = 0;
  std::optional<Error> error_;
};

// The library reads through a pair of these.
class WindowIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  explicit WindowIterator(Window* window = nullptr) : window_(window) {}
  char operator*() const { return window_->Current(); }
  WindowIterator& operator++() {
    window_->Advance();
    return *this;
  }
  WindowIterator operator++(int) { return ++*this; }
  // The end compares equal to the one past the text only.
  bool operator==(const WindowIterator& other) const {
    return (window_ == nullptr || window_->AtEnd()) &&
           (other.window_ == nullptr || other.window_->AtEnd());
  }
  bool operator!=(const WindowIterator& other) const { return !(*this == other); }

 private:
  Window* window_;
};

class Translator : public nlohmann::json_sax<Library> {
 public:
  Translator(JsonEvents& events, const JsonErrors& errors, const ByteSource& source, uint64_t begin)
      : events_(events), errors_(errors), source_(source), begin_(begin) {}

  bool null() override { return Take(events_.Value(JsonNull{})); }
  bool boolean(bool value) override { return Take(events_.Value(value)); }
  bool number_integer(number_integer_t value) override { return Take(events_.Value(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return Take(events_.Value(static_cast<uint64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Take(events_.Value(value));
  }
  bool string(string_t& value) override { return Take(events_.Value(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Begin(JsonEvents::Container::kObject); }
  bool end_object() override {
    std::vector<uint64_t>& keys = keys_.back();
    std::sort(keys.begin(), keys.end());
    if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
      return Take(Bad(errors_.duplicate, "a key is in one object twice"));
    }
    return EndContainer();
  }
  bool start_array(std::size_t) override { return Begin(JsonEvents::Container::kArray); }
  bool end_array() override { return EndContainer(); }
  bool key(string_t& name) override {
    keys_.back().push_back(Checksum(std::as_bytes(std::span(name))));
    return Take(events_.Key(std::move(name)));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const bool syntax = dynamic_cast<const Library::parse_error*>(&error) != nullptr;
    const uint64_t offset = begin_ + (position == 0 ? 0 : position - 1);
    return Take(FailAt(ErrorCode::kBadFile, errors_.syntax,
                       syntax
                           ? fmt::format("at byte {}: this is no valid JSON", offset)
                           : fmt::format("this is no valid JSON: {}", EscapeControl(error.what())),
                       source_.path(), offset));
  }

  Status status;

 private:
  tl::unexpected<Error> Bad(std::string_view key, std::string message) const {
    return FailAt(ErrorCode::kBadFile, key, std::move(message), source_.path());
  }
  bool Take(Status result) {
    if (!result && status) status = std::move(result);
    return status.has_value();
  }
  bool Begin(JsonEvents::Container kind) {
    if (keys_.size() == kMostDepth) {
      return Take(Bad(errors_.syntax, fmt::format("nested more than {} deep", kMostDepth)));
    }
    keys_.emplace_back();
    return Take(events_.Begin(kind));
  }
  bool EndContainer() {
    keys_.pop_back();
    return Take(events_.End());
  }

  JsonEvents& events_;
  const JsonErrors& errors_;
  const ByteSource& source_;
  const uint64_t begin_;
  std::vector<std::vector<uint64_t>> keys_;  // hashes, of each container that has not ended
};

}  // namespace

Status ReadJson(const ByteSource& source, uint64_t begin, uint64_t end, const JsonErrors& errors,
                JsonEvents& events) {
  Window window(source, begin, end);
  // The library would pass over a byte order mark.
  if (!window.AtEnd() && window.Current() == '\xEF') {
    return FailAt(ErrorCode::kBadFile, errors.syntax, "the text begins with a byte order mark",
                  source.path(), begin);
  }
  Translator translator(events, errors, source, begin);
  Library::sax_parse(WindowIterator(&window), WindowIterator(), &translator);
  if (window.error()) return tl::unexpected<Error>(*window.error());
  return translator.status;
}

}  // namespace tinyai
