#include "program/place_implied.h"

#include <algorithm>

namespace tinyai {
namespace {

// What a loop starts with is made where it is carried, if nobody says otherwise.
void PlaceStarts(const Program& program, const TaskNet& net, const std::vector<NetWork>& work,
                 const PlaceOfOp& place_of, const std::function<void(NetOpId, PlaceId)>& visit) {
  const std::vector<std::optional<NetOpId>> makers = Makers(net);
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const auto* carry = std::get_if<work::Carry>(&work[i]);
    const bool starts = carry != nullptr && carry->step == work::Carry::Step::kStart;
    if (!starts || net.ops[i].ins.empty()) continue;
    const std::optional<NetOpId> maker = makers[Index(net.ops[i].ins[0])];
    const auto* evaluate = maker ? std::get_if<work::Evaluate>(&work[Index(*maker)]) : nullptr;
    if (evaluate == nullptr || program.def(carry->from).maker != evaluate->eval) continue;
    const Eval& init = program.eval(evaluate->eval);
    const std::optional<PlaceId> place = place_of(NetOpId(i));
    const bool merges = init.kind == Eval::Kind::kMerge;  // which belong to their arms
    if (place && !merges && !init.input && program.def(init.outs[0]).implied) visit(*maker, *place);
  }
}

}  // namespace

void EachUsualPlace(const Program& program, const TaskNet& net, const std::vector<NetWork>& work,
                    const std::vector<uint32_t>& branch_of, const PlaceOfOp& place_of,
                    const std::function<void(NetOpId, PlaceId)>& visit) {
  const bool carries = std::any_of(work.begin(), work.end(), [](const NetWork& one) {
    return std::holds_alternative<work::Carry>(one);
  });
  if (carries) PlaceStarts(program, net, work, place_of, visit);
  if (program.branches.empty()) return;
  std::vector<std::optional<NetOpId>> op_of(program.evals.size());
  std::vector<std::vector<NetOpId>> guarded(program.branches.size()), merges(guarded.size());
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const auto* evaluate = std::get_if<work::Evaluate>(&work[i]);
    const bool works = evaluate != nullptr || std::holds_alternative<work::Print>(work[i]);
    const size_t region = Index(net.ops[i].region);
    if (region != 0 && works) guarded[branch_of[region]].push_back(NetOpId(i));
    if (evaluate == nullptr || evaluate->again) continue;
    op_of[Index(evaluate->eval)] = NetOpId(i);
    const Eval& eval = program.eval(evaluate->eval);
    if (eval.kind == Eval::Kind::kMerge) merges[eval.index].push_back(NetOpId(i));
  }
  const auto only_place = [&](const std::vector<NetOpId>& ops) {
    std::optional<PlaceId> only;
    for (const NetOpId op : ops) {
      const std::optional<PlaceId> place = place_of(op);
      if (!place || (only && *only != *place)) return std::optional<PlaceId>();
      only = place;
    }
    return only;
  };
  for (size_t branch = program.branches.size(); branch-- > 0;) {
    const std::optional<PlaceId> place = only_place(guarded[branch]);
    if (!place) continue;
    for (const NetOpId merge : merges[branch]) visit(merge, *place);
    const Def& condition = program.def(program.branches[branch].condition);
    const auto op = op_of[Index(condition.maker)];
    if (op && condition.implied && !program.eval(condition.maker).input) visit(*op, *place);
  }
}

void PlaceImplied(const Program& program, const Wishes& wishes, ProgramNet& net) {
  const auto place_of = [&](NetOpId id) -> std::optional<PlaceId> {
    const NetChoices& choices = net.net.op(id).choices;
    return choices.size() == 1 ? std::optional(choices[0].place) : std::nullopt;
  };
  const auto put = [&](NetOpId id, PlaceId place) {
    NetOp& op = net.net.ops[Index(id)];
    if (op.choice_at(place) == nullptr || wishes.IsPlaced(id)) return;
    op.choices = NetChoices{*op.choice_at(place)};
  };
  EachUsualPlace(program, net.net, net.work, net.branch_of, place_of, put);
}

}  // namespace tinyai
