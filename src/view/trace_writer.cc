#include "view/trace_writer.h"

#include "fmt/format.h"
#include "view/json_text.h"

namespace tinyai {
namespace {

constexpr size_t kBlockBytes = 64 << 10;
constexpr int kProcess = 1;

std::string Object(const TraceWriter::Args& args) {
  std::string out = "{";
  for (const auto& [name, value] : args) {
    out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", JsonString(name), value);
  }
  return out + "}";
}

}  // namespace

TraceWriter::TraceWriter(const TextSink& sink, std::string_view process) : sink_(sink) {
  block_ = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  block_ += fmt::format(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":{}}}}})",
                        kProcess, JsonString(process));
}

void TraceWriter::AddLane(std::string_view name) {
  const size_t lane = ++lanes_;
  Add(fmt::format(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_name","args":{{"name":{}}}}})",
                  kProcess, lane, JsonString(name)));
  Add(fmt::format(
      R"({{"ph":"M","pid":{},"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})",
      kProcess, lane, lane));
}

void TraceWriter::AddSpan(size_t lane, std::string_view name, double begin_seconds, double seconds,
                          const Args& args) {
  Add(fmt::format(R"({{"ph":"X","pid":{},"tid":{},"ts":{},"dur":{},"name":{},"args":{}}})",
                  kProcess, lane + 1, JsonMicroseconds(begin_seconds), JsonMicroseconds(seconds),
                  JsonString(name), Object(args)));
}

void TraceWriter::AddArrow(std::string_view name, size_t from_lane, double from_seconds,
                           size_t to_lane, double to_seconds) {
  const uint64_t id = ++arrows_;
  const std::string text = JsonString(name);
  Add(fmt::format(R"({{"ph":"s","pid":{},"tid":{},"ts":{},"id":{},"cat":"sync","name":{}}})",
                  kProcess, from_lane + 1, JsonMicroseconds(from_seconds), id, text));
  Add(fmt::format(
      R"({{"ph":"f","bp":"e","pid":{},"tid":{},"ts":{},"id":{},"cat":"sync","name":{}}})", kProcess,
      to_lane + 1, JsonMicroseconds(to_seconds), id, text));
}

void TraceWriter::AddCounter(std::string_view name, double seconds, const Args& values) {
  Add(fmt::format(R"({{"ph":"C","pid":{},"ts":{},"name":{},"args":{}}})", kProcess,
                  JsonMicroseconds(seconds), JsonString(name), Object(values)));
}

void TraceWriter::AddMark(std::string_view name, double seconds) {
  Add(fmt::format(R"({{"ph":"i","s":"p","pid":{},"tid":1,"ts":{},"name":{}}})", kProcess,
                  JsonMicroseconds(seconds), JsonString(name)));
}

Status TraceWriter::Finish() {
  block_ += "\n]}\n";
  Flush();
  return status_;
}

void TraceWriter::Add(std::string event) {
  block_ += ",\n";
  block_ += event;
  if (block_.size() >= kBlockBytes) Flush();
}

void TraceWriter::Flush() {
  if (status_) status_ = sink_(block_);
  block_.clear();
}

}  // namespace tinyai
