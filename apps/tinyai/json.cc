#include "json.h"

#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {

namespace {

constexpr int kMostDepth = 64;

// Looks for what the parser would let pass, or not live through. (The parser has a callback for
// this, but then takes n^2 for an array of n objects.)
class Scanner : public nlohmann::json_sax<SortedJson> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return Begin();
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override { return Begin(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second) refused = fmt::format("key '{}' is there twice", name);
    return refused.empty();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    if (dynamic_cast<const SortedJson::parse_error*>(&error) != nullptr) {
      refused = "no valid JSON";
      offset = position == 0 ? 0 : position - 1;
    } else {
      refused = error.what();  // such as a number out of range
    }
    return false;
  }

  std::string refused;  // empty: nothing
  std::optional<uint64_t> offset;

 private:
  bool Begin() {
    if (++depth_ > kMostDepth) refused = fmt::format("nested more than {} deep", kMostDepth);
    return refused.empty();
  }

  std::vector<std::set<std::string>> keys_;
  int depth_ = 0;
};

template <typename AnyJson>
Result<AnyJson> Parse(const std::string& text, const std::string& file) {
  Scanner scanner;
  SortedJson::sax_parse(text, &scanner);
  if (scanner.refused.empty()) return AnyJson::parse(text);
  return FailAt(ErrorCode::kBadFile, "BAD_JSON", scanner.refused, file, scanner.offset);
}

}  // namespace

Result<Json> ParseJson(const std::string& text, const std::string& file) {
  return Parse<Json>(text, file);
}

Result<SortedJson> ParseSortedJson(const std::string& text, const std::string& file) {
  return Parse<SortedJson>(text, file);
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json ToJson(const Error& error) {
  Json out;
  out["code"] = static_cast<int>(error.code);
  out["key"] = error.key;
  out["message"] = EscapeControl(error.message);
  out["file"] = error.file.empty() ? Json(nullptr) : Json(error.file);
  out["offset"] = error.offset ? Json(*error.offset) : Json(nullptr);
  return out;
}

Json ToJson(const LocatedDiagnostic& diagnostic) {
  Json out;
  out["severity"] = diagnostic.severity;
  out["code"] = diagnostic.code;
  out["file"] = diagnostic.file;
  out["line"] = diagnostic.at.line;
  out["column"] = diagnostic.at.column;
  out["message"] = diagnostic.message;
  out["notes"] = diagnostic.notes;
  out["help"] = diagnostic.help.empty() ? Json() : Json(diagnostic.help);
  return out;
}

Json ToJson(float value) {
  if (!std::isfinite(value)) return nullptr;
  const std::string text = fmt::format("{}", value);
  double same = value;
  std::from_chars(text.data(), text.data() + text.size(), same);
  return same;
}

}  // namespace tinyai
