// `tinyai solve offsets`: buffers with lifetimes from a CSV file, packed into the least arena.

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/checked.h"
#include "base/escape.h"
#include "base/units.h"
#include "command.h"
#include "fmt/format.h"
#include "solve.h"
#include "solve/offsets.h"

namespace tinyai {
namespace {

constexpr std::array<std::string_view, 5> kColumns = {"id", "lower", "upper", "size", "alignment"};
constexpr size_t kRequired = 4;

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

std::vector<std::string_view> Cells(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t comma = line.find(',');
    out.push_back(Trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}

// Not empty; with their numbers, from 1.
std::vector<std::pair<size_t, std::string_view>> Lines(std::string_view text) {
  std::vector<std::pair<size_t, std::string_view>> out;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!Trimmed(line).empty()) out.emplace_back(number, line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

Result<uint64_t> Number(const std::string& where, std::string_view name, std::string_view cell) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error == std::errc() && end == cell.data() + cell.size()) return value;
  return BadProblem(where,
                    fmt::format("{} is '{}', but has to be a whole number from 0 to 2^64 - 1", name,
                                EscapeControl(cell.substr(0, 40))));
}

class SolveOffsetsCommand : public SolveCommand {
 public:
  void AddFlags(Flags& flags) override {
    SolveCommand::AddFlags(flags);
    flags.Value("--capacity", "BYTES", "stop at the first packing that fits into so many bytes",
                [this](std::string_view text) -> Status {
                  TRY_ASSIGN(capacity_, ParseByteSize(text));
                  return {};
                });
  }

 protected:
  Status Parse(const std::string& text) override {
    const auto lines = Lines(text);
    if (lines.empty()) return BadProblem("line 1", "no header; it has to be id,lower,upper,size");
    TRY_ASSIGN(const Header header, ParseHeader(lines[0].first, Cells(lines[0].second)));
    for (size_t i = 1; i < lines.size(); ++i) {
      TRY(ParseBuffer(header, fmt::format("line {}", lines[i].first), Cells(lines[i].second)));
    }
    if (CanBePacked(buffers_)) return {};
    return BadProblem("", "the sizes and alignments together exceed 2^62");
  }

  Result<Answer> Solve(const SearchLimits& limits) const override {
    CapacityAnswer answer;
    if (capacity_) {
      answer = PackWithin(buffers_, *capacity_, limits);
    } else {
      answer.packing = PackBuffers(buffers_, limits);
    }
    const Packing& packing = answer.packing;
    Answer out;
    out.json["value"] = packing.height;
    out.json["lower_bound"] = packing.lower_bound;
    out.json["optimal"] = packing.optimal();
    out.text = fmt::format("height {}, at least {}{}\n", packing.height, packing.lower_bound,
                           packing.optimal() ? ": optimal" : "");
    if (capacity_) ReportFit(answer, out);
    Json solution = Json::object();
    auto& offsets = solution.get_ref<Json::object_t&>();
    for (size_t i = 0; i < ids_.size(); ++i) {
      offsets.emplace_back(ids_[i], packing.offsets[i]);  // no search for it: ids differ
      out.text += fmt::format("{} {}\n", EscapeControl(ids_[i]), packing.offsets[i]);
    }
    out.json["solution"] = std::move(solution);
    return out;
  }

  // Knows nothing of the search: sweeps over time with the buffers alive, in order of offset.
  Result<Answer> Check(const Json& solution) const override {
    TRY_ASSIGN(const std::vector<uint64_t> offsets, OffsetsIn(solution));
    uint64_t height = 0;
    for (size_t i = 0; i < ids_.size(); ++i) {
      const std::optional<uint64_t> top = CheckedAdd(offsets[i], buffers_[i].bytes);
      if (!top) return BadSolution(fmt::format("'{}' ends beyond 2^64", EscapeControl(ids_[i])));
      height = std::max(height, *top);
      if (offsets[i] % buffers_[i].alignment != 0) {
        return BadSolution(fmt::format("'{}' is at {}, no multiple of {}", EscapeControl(ids_[i]),
                                       offsets[i], buffers_[i].alignment));
      }
    }
    TRY(CheckApart(offsets));
    if (capacity_ && height > *capacity_) {
      return BadSolution(fmt::format("its height is {}, above {}", height, *capacity_));
    }
    Answer out;
    out.json["valid"] = true;
    out.json["value"] = height;
    out.text = fmt::format("valid, height {}\n", height);
    return out;
  }

 private:
  using Header = std::vector<size_t>;  // index into kColumns, by column

  static Result<Header> ParseHeader(size_t line, const std::vector<std::string_view>& cells) {
    const std::string where = fmt::format("line {}", line);
    Header out;
    for (const std::string_view cell : cells) {
      const auto* const known = std::find(kColumns.begin(), kColumns.end(), cell);
      const auto index = static_cast<size_t>(known - kColumns.begin());
      if (known == kColumns.end()) {
        return BadProblem(
            where, fmt::format("there is no column '{}'; there are {}",
                               EscapeControl(cell.substr(0, 40)), fmt::join(kColumns, ", ")));
      }
      if (std::find(out.begin(), out.end(), index) != out.end()) {
        return BadProblem(where, fmt::format("column '{}' is there twice", cell));
      }
      out.push_back(index);
    }
    for (size_t i = 0; i < kRequired; ++i) {
      if (std::find(out.begin(), out.end(), i) == out.end()) {
        return BadProblem(where, fmt::format("column '{}' is missing", kColumns[i]));
      }
    }
    return out;
  }

  Status ParseBuffer(const Header& header, const std::string& where,
                     const std::vector<std::string_view>& cells) {
    if (cells.size() != header.size()) {
      return BadProblem(where, fmt::format("{} cells in {} columns", cells.size(), header.size()));
    }
    std::string id;
    std::array<uint64_t, 5> values = {0, 0, 0, 0, 1};
    for (size_t i = 0; i < cells.size(); ++i) {
      if (header[i] == 0) {
        id = cells[i];
      } else {
        TRY_ASSIGN(values[header[i]], Number(where, kColumns[header[i]], cells[i]));
      }
    }
    const auto [_, lower, upper, size, alignment] = values;
    if (lower >= upper) {
      return BadProblem(where,
                        fmt::format("upper is {}, but has to be above lower, {}", upper, lower));
    }
    if (alignment == 0) return BadProblem(where, "alignment is 0, but has to be at least 1");
    if (!index_.emplace(id, ids_.size()).second) {
      return BadProblem(where, fmt::format("id '{}' is there twice", EscapeControl(id)));
    }
    ids_.push_back(std::move(id));
    buffers_.push_back({lower, upper, size, alignment});
    return {};
  }

  void ReportFit(const CapacityAnswer& answer, Answer& out) const {
    out.json["fits"] = answer.fits;
    if (answer.fits) {
      out.text += fmt::format("fits into {}\n", *capacity_);
      return;
    }
    out.json["proved"] = answer.proved;  // that nothing does
    out.text +=
        fmt::format("{} into {}\n",
                    answer.proved ? "proved: nothing fits" : "found nothing that fits", *capacity_);
    out.code = static_cast<int>(ErrorCode::kBudget);
  }

  Result<std::vector<uint64_t>> OffsetsIn(const Json& json) const {
    const bool whole =
        json.is_object() && json.contains("solution") && json["solution"].is_object();
    const Json& solution = whole ? json["solution"] : json;
    if (!solution.is_object()) return BadSolution("it is no object of ids and offsets");
    std::vector<std::optional<uint64_t>> found(ids_.size());
    for (const auto& [id, offset] : solution.items()) {
      const auto known = index_.find(id);
      if (known == index_.end()) {
        return BadSolution(fmt::format("the problem has no buffer '{}'", EscapeControl(id)));
      }
      if (!offset.is_number_unsigned()) {
        return BadSolution(
            fmt::format("the offset of '{}' is no whole number from 0 on", EscapeControl(id)));
      }
      found[known->second] = offset.get<uint64_t>();
    }
    std::vector<uint64_t> out;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (!found[i]) {
        return BadSolution(fmt::format("it has no offset for '{}'", EscapeControl(ids_[i])));
      }
      out.push_back(*found[i]);
    }
    return out;
  }

  Status CheckApart(const std::vector<uint64_t>& offsets) const {
    struct Event {
      uint64_t time;
      bool begins;
      size_t buffer;
    };
    std::vector<Event> events;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      if (buffers_[i].bytes == 0) continue;
      events.push_back({buffers_[i].begin, true, i});
      events.push_back({buffers_[i].end, false, i});
    }
    std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return a.time != b.time ? a.time < b.time : a.begins < b.begins;
    });
    std::map<uint64_t, size_t> alive;  // by offset
    for (const Event& event : events) {
      const uint64_t offset = offsets[event.buffer];
      if (!event.begins) {
        alive.erase(offset);
        continue;
      }
      const auto above = alive.lower_bound(offset);
      if (above != alive.end() && above->first < offset + buffers_[event.buffer].bytes) {
        return Overlap(event.buffer, above->second);
      }
      if (above != alive.begin()) {
        const size_t below = std::prev(above)->second;
        if (offsets[below] + buffers_[below].bytes > offset) return Overlap(event.buffer, below);
      }
      alive.emplace(offset, event.buffer);
    }
    return {};
  }

  Status Overlap(size_t a, size_t b) const {
    return BadSolution(fmt::format("'{}' and '{}' live at time {} and share bytes",
                                   EscapeControl(ids_[a]), EscapeControl(ids_[b]),
                                   std::max(buffers_[a].begin, buffers_[b].begin)));
  }

  std::optional<uint64_t> capacity_;
  std::vector<std::string> ids_;  // by buffer
  std::map<std::string, size_t> index_;
  std::vector<Buffer> buffers_;
};

}  // namespace

std::unique_ptr<Command> MakeSolveOffsetsCommand() {
  return std::make_unique<SolveOffsetsCommand>();
}

}  // namespace tinyai
