// `tinyai solve syncs`: the fewest syncs, then the fewest fences, between the queues of nets of
// ops.

#include "base/escape.h"
#include "command.h"
#include "fmt/format.h"
#include "solve.h"
#include "solve/least_syncs.h"

namespace tinyai {
namespace {

using Kind = SyncCommand::Kind;

// What a place knows of all others is a number for each.
constexpr uint64_t kMostPlaces = 1000;

std::string Quoted(const Json& json) {
  return EscapeControl(json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60));
}

Result<uint32_t> NumberBelow(const Json& json, uint64_t end, const std::string& where) {
  if (json.is_number_unsigned() && json.get<uint64_t>() < end) return json.get<uint32_t>();
  return BadProblem(where, fmt::format("{} is no number from 0 to {}", Quoted(json), end - 1));
}

Result<const Json*> ArrayOf(const Json& net, const char* key, const std::string& where) {
  const auto at = net.find(key);
  if (at == net.end()) return BadProblem(where, fmt::format("there is no \"{}\"", key));
  if (!at->is_array()) return BadProblem(fmt::format("{}.{}", where, key), "no array");
  return &*at;
}

Status CheckAcyclic(const SyncNet& net, const std::string& where) {
  std::vector<uint32_t> cycle = FindCycle(net);
  if (cycle.empty()) return {};
  cycle.push_back(cycle.front());
  constexpr size_t kMostShown = 20;
  const bool all = cycle.size() <= kMostShown;
  if (!all) cycle.resize(kMostShown);
  return BadProblem(where, fmt::format("the edges make a cycle: {}{}", fmt::join(cycle, " -> "),
                                       all ? "" : " -> ..."));
}

// {"dev": [place of each op], "edges": [[from, to], ...]}
Result<SyncNet> ReadNet(const Json& json, const std::string& where) {
  if (!json.is_object()) return BadProblem(where, "no object");
  TRY_ASSIGN(const Json* const places, ArrayOf(json, "dev", where));
  TRY_ASSIGN(const Json* const edges, ArrayOf(json, "edges", where));
  SyncNet net;
  net.place.reserve(places->size());
  for (const Json& item : *places) {
    TRY_ASSIGN(const uint32_t place,
               NumberBelow(item, kMostPlaces, fmt::format("{}.dev[{}]", where, net.size())));
    net.place.push_back(place);
    net.places = std::max(net.places, place + 1);
  }
  net.edges.reserve(edges->size());
  for (const Json& item : *edges) {
    const std::string at = fmt::format("{}.edges[{}]", where, net.edges.size());
    if (!item.is_array() || item.size() != 2) {
      return BadProblem(at, Quoted(item) + " is no pair of ops");
    }
    if (places->empty()) return BadProblem(at, "there are no ops");
    SyncNet::Edge edge;
    TRY_ASSIGN(edge.from, NumberBelow(item[0], net.size(), at));
    TRY_ASSIGN(edge.to, NumberBelow(item[1], net.size(), at));
    net.edges.push_back(edge);
  }
  TRY(CheckAcyclic(net, where));
  return net;
}

constexpr std::pair<Kind, const char*> kCommandNames[] = {
    {Kind::kRun, "run"}, {Kind::kFence, "fence"}, {Kind::kSync, "sync"}};

Json ToJson(const SyncCommand& command) {
  for (const auto& [kind, name] : kCommandNames) {
    if (kind == command.kind) return {{name, command.id}};
  }
  return nullptr;
}

Json ToJson(const LeastSyncs& least) {
  Json out;
  out["syncs"] = least.syncs;
  out["fences"] = least.fences;
  out["lower_bound"] = least.least_syncs;
  out["optimal"] = least.syncs_optimal();
  out["fence_lower_bound"] = least.least_fences;
  out["fences_optimal"] = least.fences_optimal();
  Json orders = Json::array(), commands = Json::array();
  for (const std::vector<SyncCommand>& queue : least.schedule.queues) {
    Json ops = Json::array(), all = Json::array();
    for (const SyncCommand& command : queue) {
      if (command.kind == Kind::kRun) ops.push_back(command.id);
      all.push_back(ToJson(command));
    }
    orders.push_back(std::move(ops));
    commands.push_back(std::move(all));
  }
  out["orders"] = std::move(orders);
  out["commands"] = std::move(commands);
  out["witness"] = least.witness;
  return out;
}

std::string Text(size_t index, const LeastSyncs& least) {
  const auto proof = [](bool optimal, uint32_t bound) {
    return optimal ? std::string("least") : fmt::format("at least {}", bound);
  };
  std::string out = fmt::format("net {}: {} syncs ({}), {} fences ({})\n", index, least.syncs,
                                proof(least.syncs_optimal(), least.least_syncs), least.fences,
                                proof(least.fences_optimal(), least.least_fences));
  for (const std::vector<uint32_t>& path : least.witness) {
    out += fmt::format("  because of {}\n", fmt::join(path, " -> "));
  }
  for (size_t place = 0; place < least.schedule.queues.size(); ++place) {
    out += fmt::format("  {} {{", place);
    for (const SyncCommand& command : least.schedule.queues[place]) {
      out += command.kind == Kind::kRun     ? fmt::format(" {};", command.id)
             : command.kind == Kind::kFence ? fmt::format(" --- f{};", command.id)
                                            : fmt::format(" sync(f{});", command.id);
    }
    out += " }\n";
  }
  return out;
}

Result<SyncCommand> ReadCommand(const Json& json) {
  if (json.is_object() && json.size() == 1) {
    for (const auto& [kind, name] : kCommandNames) {
      const auto at = json.find(name);
      if (at == json.end() || !at->is_number_unsigned() || at->get<uint64_t>() > UINT32_MAX) {
        continue;
      }
      return SyncCommand{kind, at->get<uint32_t>()};
    }
  }
  return BadSolution(
      fmt::format("{} is no {{\"run\": op}}, {{\"fence\": id}} or {{\"sync\": id}}", Quoted(json)));
}

Result<SyncSchedule> ReadSchedule(const Json& json) {
  const auto queues = json.is_object() ? json.find("commands") : json.end();
  if (!json.is_object() || queues == json.end() || !queues->is_array()) {
    return BadSolution("there is no array \"commands\"");
  }
  SyncSchedule schedule;
  for (const Json& queue : *queues) {
    if (!queue.is_array()) return BadSolution("commands of a place: no array");
    schedule.queues.emplace_back();
    for (const Json& command : queue) {
      TRY_ASSIGN(schedule.queues.back().emplace_back(), ReadCommand(command));
    }
  }
  return schedule;
}

// If the solution says how many there are, it must be so.
Status CheckCount(const Json& json, const char* key, uint32_t count) {
  const auto at = json.find(key);
  if (at == json.end() || *at == count) return {};
  return BadSolution(fmt::format("{} {}, not {}", count, key, Quoted(*at)));
}

Status CheckNet(const SyncNet& net, const Json& json, const SyncSchedule& schedule) {
  const std::optional<std::string> fault = FindSyncFault(net, schedule);
  if (fault) return BadSolution(*fault);
  TRY(CheckCount(json, "syncs", schedule.syncs()));
  return CheckCount(json, "fences", schedule.fences());
}

class SolveSyncsCommand : public SolveCommand {
 protected:
  Status Parse(const std::string& text) override {
    TRY_ASSIGN(const Json json, ParseJson(text, ""));
    if (json.is_object()) {
      TRY_ASSIGN(nets_.emplace_back(), ReadNet(json, "net"));
      return {};
    }
    if (!json.is_array())
      return BadProblem("", "the file holds neither a net nor an array of nets");
    for (const Json& net : json) {
      TRY_ASSIGN(SyncNet read, ReadNet(net, fmt::format("[{}]", nets_.size())));
      nets_.push_back(std::move(read));
    }
    return {};
  }

  Result<Answer> Solve(const SearchLimits& limits) const override {
    Answer answer;
    uint64_t syncs = 0, fences = 0, bound = 0;
    Json results = Json::array();
    for (const SyncNet& net : nets_) {
      const LeastSyncs least = FindLeastSyncs(net, limits);
      syncs += least.syncs;
      fences += least.fences;
      bound += least.least_syncs;
      answer.text += Text(results.size(), least);
      results.push_back(ToJson(least));
    }
    answer.json["value"] = syncs;
    answer.json["lower_bound"] = bound;
    answer.json["optimal"] = syncs == bound;
    answer.json["fences"] = fences;
    answer.json["results"] = std::move(results);
    return answer;
  }

  Result<Answer> Check(const Json& solution) const override {
    const Json* results = &solution;
    for (const char* key : {"results", "solution"}) {
      if (solution.is_object() && solution.contains(key)) results = &solution[key];
    }
    const bool one = results->is_object() && nets_.size() == 1;
    if (!one && (!results->is_array() || results->size() != nets_.size())) {
      return BadSolution(fmt::format("no array of {} results, one for each net", nets_.size()));
    }
    uint64_t syncs = 0, fences = 0;
    for (size_t i = 0; i < nets_.size(); ++i) {
      const Json& result = one ? *results : (*results)[i];
      Result<SyncSchedule> schedule = ReadSchedule(result);
      const Status sound =
          schedule ? CheckNet(nets_[i], result, *schedule) : Status(tl::unexpect, schedule.error());
      if (!sound) return BadSolution(fmt::format("net {}: {}", i, sound.error().message));
      syncs += schedule->syncs();
      fences += schedule->fences();
    }
    Answer answer;
    answer.json = {{"valid", true}, {"value", syncs}, {"fences", fences}};
    answer.text = fmt::format("valid, {} syncs, {} fences\n", syncs, fences);
    return answer;
  }

 private:
  std::vector<SyncNet> nets_;
};

}  // namespace

std::unique_ptr<Command> MakeSolveSyncsCommand() { return std::make_unique<SolveSyncsCommand>(); }

}  // namespace tinyai
