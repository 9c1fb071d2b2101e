// `tinyai solve order`: in which order ops run so that the fewest bytes live at once.

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "base/escape.h"
#include "command.h"
#include "fmt/format.h"
#include "solve.h"
#include "solve/order.h"

namespace tinyai {
namespace {

template <typename AnyJson>
std::string Quoted(const AnyJson& json) {
  return EscapeControl(json.dump(-1, ' ', false, AnyJson::error_handler_t::replace).substr(0, 60));
}

// The problem as the file says it.
class OrderReader {
 public:
  explicit OrderReader(const SortedJson& json) : json_(json) {}

  Status Read() {
    if (!json_.is_object()) return BadProblem("", "the file holds no object");
    TRY_ASSIGN(const SortedJson* const tensors, Member(json_, "tensors", ""));
    TRY(ReadTensors(*tensors));
    TRY(ReadIds(json_, "inputs", "", problem.inputs));
    TRY(ReadIds(json_, "outputs", "", problem.outputs));
    TRY_ASSIGN(const SortedJson* const ops, Member(json_, "ops", ""));
    if (!ops->is_array()) return BadProblem("ops", "no array");
    problem.ops.reserve(ops->size());
    for (const SortedJson& op : *ops) TRY(ReadOp(op));
    return CheckOrderProblem(problem, names_);
  }

  OrderProblem problem;

 private:
  Result<const SortedJson*> Member(const SortedJson& object, const char* key,
                                   const std::string& where) {
    const auto at = object.find(key);
    if (at == object.end()) return BadProblem(where, fmt::format("there is no \"{}\"", key));
    return &*at;
  }

  Result<uint64_t> Bytes(const SortedJson& json, const std::string& where) {
    if (json.is_number_unsigned()) return json.get<uint64_t>();
    return BadProblem(where, Quoted(json) + " is no number of bytes");
  }

  // An object from names to bytes, or an array of bytes, whose tensors are called 0, 1, ...
  Status ReadTensors(const SortedJson& tensors) {
    if (!tensors.is_object() && !tensors.is_array()) return BadProblem("tensors", "no object");
    for (const auto& [name, value] : tensors.items()) {
      TRY_ASSIGN(const uint64_t bytes, Bytes(value, "tensors." + name));
      ids_.emplace(name, static_cast<uint32_t>(names_.size()));
      names_.push_back(name);
      problem.tensor_bytes.push_back(bytes);
    }
    return {};
  }

  Status ReadIds(const SortedJson& object, const char* key, const std::string& where,
                 std::vector<uint32_t>& to) {
    TRY_ASSIGN(const SortedJson* const list, Member(object, key, where));
    const std::string at = where.empty() ? key : where + "." + key;
    if (!list->is_array()) return BadProblem(at, "no array");
    for (const SortedJson& item : *list) {
      const auto id = item.is_string()            ? ids_.find(item.get_ref<const std::string&>())
                      : item.is_number_unsigned() ? ids_.find(item.dump())
                                                  : ids_.end();
      if (id == ids_.end()) return BadProblem(at, "there is no tensor " + Quoted(item));
      to.push_back(id->second);
    }
    return {};
  }

  Status ReadOp(const SortedJson& json) {
    const std::string where = fmt::format("ops[{}]", problem.ops.size());
    if (!json.is_object()) return BadProblem(where, "no object");
    OrderProblem::Op op;
    TRY(ReadIds(json, "ins", where, op.ins));
    TRY(ReadIds(json, "outs", where, op.outs));
    if (const auto bytes = json.find("workspace"); bytes != json.end()) {
      TRY_ASSIGN(op.workspace_bytes, Bytes(*bytes, where + ".workspace"));
    }
    problem.ops.push_back(std::move(op));
    return {};
  }

  const SortedJson& json_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, uint32_t> ids_;
};

class SolveOrderCommand : public SolveCommand {
 protected:
  Status Parse(const std::string& text) override {
    TRY_ASSIGN(const SortedJson json, ParseSortedJson(text, ""));
    OrderReader reader(json);
    TRY(reader.Read());
    problem_ = std::move(reader.problem);
    return {};
  }

  Result<Answer> Solve(const SearchLimits& limits) const override {
    const OrderResult result = SolveOrder(problem_, limits);
    std::vector<uint32_t> given(problem_.ops.size());
    std::iota(given.begin(), given.end(), 0);
    const Result<uint64_t> given_peak = PeakOfOrder(problem_, given);
    Answer answer;
    answer.json["value"] = result.peak_bytes;
    answer.json["lower_bound"] = result.lower_bound_bytes;
    answer.json["optimal"] = result.optimal();
    answer.json["method"] = result.method;
    answer.json["states"] = result.states;
    answer.json["file_order"] = given_peak ? Json(*given_peak) : Json(nullptr);
    answer.json["solution"] = result.order;
    answer.text = fmt::format(
        "least peak {} bytes, {}; the file's order takes {}\norder {}\n", result.peak_bytes,
        result.optimal() ? "proved" : fmt::format("at least {}", result.lower_bound_bytes),
        given_peak ? fmt::format("{}", *given_peak) : "no such thing: it cannot be executed",
        fmt::join(result.order, " "));
    return answer;
  }

  Result<Answer> Check(const Json& solution) const override {
    const Json& list = Bare(solution);
    if (!list.is_array()) return BadSolution("no array of op indexes");
    std::vector<uint32_t> order;
    order.reserve(list.size());
    for (const Json& item : list) {
      if (!item.is_number_unsigned() || item.get<uint64_t>() >= problem_.ops.size()) {
        return BadSolution(fmt::format("there is no op {}", Quoted(item)));
      }
      order.push_back(item.get<uint32_t>());
    }
    TRY_ASSIGN(const uint64_t peak, PeakOfOrder(problem_, order));
    return Valid(peak, fmt::format("peak {} bytes", peak));
  }

 private:
  OrderProblem problem_;
};

}  // namespace

std::unique_ptr<Command> MakeSolveOrderCommand() { return std::make_unique<SolveOrderCommand>(); }

}  // namespace tinyai
