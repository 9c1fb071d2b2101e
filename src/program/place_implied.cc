#include "program/place_implied.h"

#include <algorithm>

namespace tinyai {
namespace {

class Placer {
 public:
  Placer(const Program& program, ProgramNet& net, Wishes& wishes)
      : program_(program), net_(net), wishes_(wishes), places_(program.branches.size()) {}

  void Run() {
    wishes_.usual_places.assign(net_.net.ops.size(), std::nullopt);
    // Inner ones first, so that what they merge counts for those around.
    std::vector<std::vector<NetOpId>> guarded(program_.branches.size());
    for (size_t i = 0; i < net_.net.ops.size(); ++i) {
      const RegionId region = net_.net.ops[i].region;
      const bool evaluates = std::holds_alternative<work::Evaluate>(net_.work[i]) ||
                             std::holds_alternative<work::Print>(net_.work[i]);
      if (Index(region) != 0 && evaluates) {
        guarded[net_.branch_of[Index(region)]].push_back(NetOpId(i));
      }
    }
    std::vector<std::vector<EvalId>> merges(program_.branches.size());
    for (size_t i = 0; i < program_.evals.size(); ++i) {
      const Eval& eval = program_.evals[i];
      if (eval.kind == Eval::Kind::kMerge && net_.op_of[i]) merges[eval.index].push_back(EvalId(i));
    }
    for (size_t branch = program_.branches.size(); branch-- > 0;) {
      const std::optional<PlaceId> place = OnePlace(guarded[branch]);
      if (!place) continue;
      for (const EvalId merge : merges[branch]) Put(*net_.op_of[Index(merge)], *place);
      const Def& condition = program_.def(program_.branches[branch].condition);
      const auto op = net_.op_of[Index(condition.maker)];
      if (op && condition.implied && !program_.eval(condition.maker).input) Put(*op, *place);
    }
  }

 private:
  // The only place of these ops, if they have just one.
  std::optional<PlaceId> OnePlace(const std::vector<NetOpId>& ops) const {
    std::optional<PlaceId> out;
    for (const NetOpId id : ops) {
      const NetOp& op = net_.net.op(id);
      if (op.choices.size() != 1 || (out && *out != op.choices[0].place)) return std::nullopt;
      out = op.choices[0].place;
    }
    return out;
  }

  void Put(NetOpId id, PlaceId place) {
    NetOp& op = net_.net.ops[Index(id)];
    if (op.choice_at(place) == nullptr && wishes_.placed.contains(Index(id))) return;
    wishes_.usual_places[Index(id)] = place;
    if (op.choice_at(place) == nullptr || wishes_.placed.contains(Index(id))) return;
    op.choices = {*op.choice_at(place)};
  }

  const Program& program_;
  ProgramNet& net_;
  Wishes& wishes_;
  std::vector<std::optional<PlaceId>> places_;  // by branch
};

}  // namespace

void PlaceImplied(const Program& program, ProgramNet& net, Wishes& wishes) {
  Placer(program, net, wishes).Run();
}

}  // namespace tinyai
