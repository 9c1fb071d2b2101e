#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "program/line_clocks.h"
#include "program/order_lines.h"

namespace tinyai {
namespace {

constexpr uint32_t kLast = ~uint32_t{0};

// An op of the net in the middle of nothing: where among the lines of its place it may stand. Lines
// are counted in the order of the text; 0 is in front of all.
class Fitter {
 public:
  Fitter(const Wishes& wishes, const Program& program, ProgramNet& net, Diagnostics& out)
      : wishes_(wishes),
        program_(program),
        net_(net),
        out_(out),
        places_(net.net.places.size()),
        lines_of_(places_),
        clocks_(wishes, net.net) {
    line_of_ = wishes.line_of;
    line_of_.resize(net.net.ops.size());
    for (uint32_t i = 0; i < wishes.lines.size(); ++i) {
      lines_of_[Index(wishes.lines[i].place)].push_back(i);
    }
    for (size_t op = 0; op < net.net.ops.size(); ++op) {
      if (net.net.ops[op].gang == 0 || !line_of_[op]) continue;
      uint32_t& last = gang_lines_[{net.net.ops[op].gang, PlaceOf(op)}];
      last = std::max(last, *line_of_[op]);
    }
  }

  bool Run() {
    FindOrder();
    FindWaits();
    if (!CheckStale()) return false;
    Push();
    return Assign();
  }

 private:
  PlaceId PlaceOf(size_t op) const { return net_.net.ops[op].choices.front().place; }

  // All ops, each after what it needs and after the lines before its own.
  void FindOrder() {
    needs_ = Needs(net_.net);
    std::erase_if(needs_, [](const NetNeed& need) { return need.distance != 0; });
    for (uint32_t i = 1; i < wishes_.lines.size(); ++i) {
      needs_.push_back({wishes_.lines[i - 1].ops.back(), wishes_.lines[i].ops.front(), 1});
    }
    const size_t ops = net_.net.ops.size();
    const NeedLists after = NeedLists::ByEarlier(needs_, ops);
    std::vector<uint32_t> missing(ops, 0);
    for (const NetNeed& need : needs_) ++missing[Index(need.later)];
    for (size_t i = 0; i < ops; ++i) {
      if (missing[i] == 0) order_.push_back(NetOpId(i));
    }
    for (size_t i = 0; i < order_.size(); ++i) {
      for (const NetNeed& need : after.of(order_[i])) {
        if (--missing[Index(need.later)] == 0) order_.push_back(need.later);
      }
    }
    std::erase_if(needs_, [](const NetNeed& need) { return need.distance != 0; });
    before_.emplace(NeedLists::ByLater(needs_, ops));
  }

  // By two places: syncs of the second with fences of the first, as pairs of lines in order.
  void FindWaits() {
    waits_.resize(places_ * places_);
    backs_.resize(places_ * places_);
    for (const NetFixedSync& sync : net_.net.fixed_syncs) {
      const uint32_t fence = *line_of_[Index(sync.recorder)], wait = *line_of_[Index(sync.waiter)];
      const size_t from = Index(wishes_.lines[fence].place), to = Index(wishes_.lines[wait].place);
      (sync.distance == 0 ? waits_ : backs_)[from * places_ + to].push_back({fence, wait});
    }
    for (std::vector<Wait>& waits : waits_) {
      std::sort(waits.begin(), waits.end(),
                [](const Wait& a, const Wait& b) { return a.fence < b.fence; });
      for (size_t i = 1; i < waits.size(); ++i) {
        waits[i].wait = std::max(waits[i].wait, waits[i - 1].wait);
      }
    }
  }
  // What each op knows of the lines of each place, by data alone; 0: nothing. `sure`: whichever
  // arms are taken, else with what ops of arms know.
  void FindReach(bool sure) {
    reach_.assign(net_.net.ops.size() * places_, 0);
    for (const NetOpId op : order_) {
      uint32_t* const row = &reach_[Index(op) * places_];
      for (const NetNeed& need : before_->of(op)) {
        const RegionId arm = net_.net.op(need.earlier).region;
        if (sure && !IsInside(net_.net, net_.net.op(op).region, arm)) continue;
        const uint32_t* const other = &reach_[Index(need.earlier) * places_];
        for (size_t place = 0; place < places_; ++place)
          row[place] = std::max(row[place], other[place]);
      }
      if (const auto line = line_of_[Index(op)]) {
        uint32_t& own = row[Index(wishes_.lines[*line].place)];
        own = std::max(own, *line + 1);
      }
    }
  }

  // I6: a listed op in front of a sync that knows what the sync waits for.
  bool CheckStale() {
    if (net_.net.fixed_syncs.empty()) return true;
    FindReach(true);
    for (size_t op = 0; op < net_.net.ops.size(); ++op) {
      if (!line_of_[op]) continue;
      const uint32_t line = *line_of_[op];
      const size_t place = Index(wishes_.lines[line].place);
      for (size_t from = 0; from < places_; ++from) {
        const uint32_t known = reach_[op * places_ + from];
        if (from == place || known == 0) continue;
        for (const Wait& wait : waits_[from * places_ + place]) {
          if (wait.fence >= known || wait.wait <= line) continue;
          if (!IsInside(net_.net, wishes_.lines[wait.wait].region, net_.net.ops[op].region))
            continue;
          const WishedLine &fence = wishes_.lines[wait.fence], &sync = wishes_.lines[wait.wait];
          out_.Error(
                  "I6", sync.where,
                  fmt::format("stale sync: '{}' needs what runs after fence {}, so {} has waited "
                              "for it already",
                              net_.net.ops[op].name, *fence.fence, net_.net.places[place].name))
              .NoteAt(wishes_.lines[line].where,
                      fmt::format("'{}' stands here", net_.net.ops[op].name))
              .NoteAt(fence.where, "the fence")
              .Help(fmt::format("move the sync in front of '{}', or delete it",
                                net_.net.ops[op].name));
          return false;
        }
      }
    }
    return true;
  }

  // Between which lines each unlisted op stands: after `low` lines of the text, before `high`.
  void Push() {
    FindReach(false);
    const size_t ops = net_.net.ops.size();
    low_.assign(ops, 0);
    behind_.assign(ops, 0);
    high_.assign(ops, kLast);
    for (size_t i = order_.size(); i-- > 0;) {
      uint32_t& high = high_[Index(order_[i])];
      if (const auto line = line_of_[Index(order_[i])]) high = *line;
      for (const NetNeed& need : before_->of(order_[i])) {
        if (line_of_[Index(need.earlier)]) continue;
        uint32_t& earlier = high_[Index(need.earlier)];
        earlier = std::min(earlier, high);
      }
    }
    for (size_t op = 0; op < ops; ++op) {
      if (line_of_[op]) {
        low_[op] = *line_of_[op] + 1;
        continue;
      }
      for (size_t from = 0; from < places_; ++from) {
        low_[op] = std::max(low_[op], reach_[op * places_ + from]);
      }
    }
  }

  bool IsImplied(size_t op) const {
    const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[op]);
    if (evaluate == nullptr) return false;
    const Eval& eval = program_.eval(evaluate->eval);
    return eval.outs.empty() || program_.def(eval.outs[0]).implied;
  }

  // Each unlisted op goes to a gap between lines of its place; what others wait for to the first
  // one, since none of their syncs may stand in front of its fence.
  bool Assign() {
    for (const NetOpId id : order_) {
      const size_t op = Index(id);
      for (const NetNeed& need : before_->of(id)) {
        if (!LineAt(op)) low_[op] = std::max(low_[op], low_[Index(need.earlier)]);
        UseWait(need.earlier, op);
      }
      if (LineAt(op)) continue;
      if (net_.net.loops) {
        WaitForReaders(op);
        TellMakers(op);
      }
      const PlaceId place = PlaceOf(op);
      const std::vector<uint32_t>& lines = lines_of_[Index(place)];
      const bool closed = wishes_.has_closed[Index(place)] && !IsImplied(op);
      // In turns only syncs tell what comes first: all of a circle comes at once.
      const bool free = net_.net.in_turns && !closed;
      // The places of a loop go round by themselves: what is listed elsewhere may come at any time.
      const uint32_t most = net_.net.loops ? high_[op] : kLast;
      const uint32_t low = std::min(free ? behind_[op] : low_[op], most);
      // The first gap is in front of lines[first].
      auto first =
          static_cast<size_t>(std::lower_bound(lines.begin(), lines.end(), low) - lines.begin());
      const size_t last = static_cast<size_t>(
          std::upper_bound(lines.begin(), lines.end(), high_[op]) - lines.begin());
      const size_t end =
          high_[op] == kLast ? lines.size() + 1 : std::min(last + 1, lines.size() + 1);
      if (closed) {
        const auto is_open = [&](size_t gap) {
          return gap < lines.size() ? wishes_.lines[lines[gap]].open_before
                                    : bool(wishes_.open_end[Index(place)]);
        };
        while (first < end && !is_open(first)) ++first;
        // Before the line that needs it.
        const size_t before_user =
            high_[op] == kLast
                ? lines.size()
                : static_cast<size_t>(std::lower_bound(lines.begin(), lines.end(), high_[op]) -
                                      lines.begin());
        if (first > before_user) return ReportHomeless(id);
        size_t next_closed = first;
        while (next_closed < lines.size() && is_open(next_closed + 1) &&
               next_closed < before_user) {
          ++next_closed;
        }
        low_[op] = std::max(low_[op], first == 0 ? 0 : lines[first - 1] + 1);
        if (first < lines.size() && !AllOpenAfter(place, first, before_user)) {
          AddOrder(id, wishes_.lines[lines[first]].ops.front());
        }
      } else if (high_[op] != kLast && !free) {
        const auto user = std::lower_bound(lines.begin(), lines.end(), high_[op]);
        if (user != lines.end()) AddOrder(id, wishes_.lines[*user].ops.front());
      }
      if (first > 0) AddOrder(wishes_.lines[lines[first - 1]].ops.back(), id);
    }
    return true;
  }
  // In a loop an op makes again what others have read in the iteration before: it stands behind the
  // syncs that say so, where the text has some.
  void WaitForReaders(size_t op) {
    const size_t to = Index(PlaceOf(op));
    for (size_t reader = 0; reader < net_.net.ops.size(); ++reader) {
      const size_t from = Index(PlaceOf(reader));
      const auto reads = [&](NetValueId out) {
        const NetOperands& ins = net_.net.ops[reader].ins;
        return std::find(ins.begin(), ins.end(), out) != ins.end();
      };
      const NetResults& outs = net_.net.ops[op].outs;
      if (from == to || std::none_of(outs.begin(), outs.end(), reads)) continue;
      const auto told = LineAt(reader) ? LineAt(reader) : LineFrom(lines_of_[from], low_[reader]);
      if (!told) continue;
      const auto tells = [&](const Wait& wait) { return wait.fence >= *told; };
      const std::vector<Wait>& now = waits_[from * places_ + to];
      const std::vector<Wait>& back = backs_[from * places_ + to];
      if (std::any_of(now.begin(), now.end(), tells)) continue;
      const auto found = std::find_if(back.begin(), back.end(), tells);
      // All of an iteration has ended before the next one's fences are recorded.
      const bool any = found != back.end() || !now.empty();
      const uint32_t wait = found != back.end() ? found->wait : any ? now.front().wait : 0;
      if (any && wait < high_[op]) StandBehind(op, wait);
    }
  }
  void StandBehind(size_t op, uint32_t line) {
    low_[op] = std::max(low_[op], line + 1);
    behind_[op] = std::max(behind_[op], line + 1);
  }
  // The other way round: what reads stands in front of the fence that says so in the iteration
  // after.
  void TellMakers(size_t op) {
    const size_t from = Index(PlaceOf(op));
    for (size_t maker = 0; maker < net_.net.ops.size(); ++maker) {
      const size_t to = Index(PlaceOf(maker));
      const NetOperands& ins = net_.net.ops[op].ins;
      const NetResults& outs = net_.net.ops[maker].outs;
      const bool reads = std::any_of(outs.begin(), outs.end(), [&](NetValueId out) {
        return std::find(ins.begin(), ins.end(), out) != ins.end();
      });
      if (from == to || !reads) continue;
      std::optional<uint32_t> last;
      for (const Wait& wait : backs_[from * places_ + to]) {
        if (wait.fence >= low_[op]) last = std::max(last.value_or(0), wait.fence);
      }
      if (last) AddOrder(NetOpId(op), wishes_.lines[*last].ops.front());
    }
  }
  // Syncs that the text has anyway spare the op one of its own: it stands behind them, and what it
  // needs in front of the line that they tell of.
  void UseWait(NetOpId need, size_t op) {
    const size_t from = Index(PlaceOf(Index(need))), to = Index(PlaceOf(op));
    if (from == to) return;
    const std::vector<uint32_t>& lines = lines_of_[from];
    const auto told =
        LineAt(Index(need)) ? LineAt(Index(need)) : LineFrom(lines, low_[Index(need)]);
    if (!told) return;
    const auto learns = clocks_.LearnsOf(to, net_.net.ops[op].region, from, *told);
    if (!learns || learns->line >= high_[op]) return;
    if (!LineAt(op)) StandBehind(op, learns->line);
    if (LineAt(Index(need))) return;
    // What a turn does of a circle stays together, so the last line that they tell of it is.
    const auto last = std::lower_bound(lines.begin(), lines.end(), learns->before);
    AddOrder(need, wishes_.lines[net_.net.in_turns ? *std::prev(last) : *told].ops.front());
  }
  // The line at which an op stands: its own, or the last one of its gang at this place.
  std::optional<uint32_t> LineAt(size_t op) const {
    if (line_of_[op] || net_.net.ops[op].gang == 0) return line_of_[op];
    const auto gang = gang_lines_.find({net_.net.ops[op].gang, PlaceOf(op)});
    return gang == gang_lines_.end() ? std::nullopt : std::optional(gang->second);
  }
  static std::optional<uint32_t> LineFrom(const std::vector<uint32_t>& lines, uint32_t low) {
    const auto line = std::lower_bound(lines.begin(), lines.end(), low);
    return line == lines.end() ? std::nullopt : std::optional(*line);
  }
  // Whether the op could as well stand in any later gap.
  bool AllOpenAfter(PlaceId place, size_t first, size_t last) const {
    const std::vector<uint32_t>& lines = lines_of_[Index(place)];
    for (size_t gap = first; gap <= last; ++gap) {
      const bool open = gap < lines.size() ? wishes_.lines[lines[gap]].open_before
                                           : bool(wishes_.open_end[Index(place)]);
      if (!open) return false;
    }
    return true;
  }
  void AddOrder(NetOpId earlier, NetOpId later) {
    net_.net.orders.push_back({earlier, later, NetOrder::Kind::kUser, 0});
  }

  // I8: the last line that it needs, or the first that needs it, says where it has to stand.
  bool ReportHomeless(NetOpId id) {
    const std::string& name = net_.net.ops[Index(id)].name;
    const uint32_t low = low_[Index(id)], high = high_[Index(id)];
    const std::vector<uint32_t>& lines = lines_of_[Index(PlaceOf(Index(id)))];
    Span closed = lines.empty() ? wishes_.closed_at[Index(PlaceOf(Index(id)))]
                                : wishes_.lines[lines.front()].where;
    std::string why = "every block is closed";
    std::optional<Span> other;
    if (low > 0) {
      const WishedLine& line = wishes_.lines[low - 1];
      other = line.where;
      why = fmt::format("it needs '{}' (line {}) and the block is closed after it",
                        net_.net.ops[Index(line.ops.front())].name,
                        out_.source().At(line.where.begin).line);
      closed = line.where;
    } else if (high != kLast) {
      const WishedLine& line = wishes_.lines[high];
      other = line.where;
      why = fmt::format("'{}' (line {}) needs it and the block is closed before it",
                        net_.net.ops[Index(line.ops.front())].name,
                        out_.source().At(line.where.begin).line);
      closed = line.where;
    }
    out_.Error("I8", closed, fmt::format("'{}' cannot be placed: {}", name, why))
        .Help("add '\?\?\?' where more may be put in");
    return false;
  }

  struct Wait {
    uint32_t fence, wait;
  };
  const Wishes& wishes_;
  const Program& program_;
  ProgramNet& net_;
  Diagnostics& out_;
  const size_t places_;
  std::vector<std::vector<uint32_t>> lines_of_;  // by place
  const LineClocks clocks_;
  std::vector<std::optional<uint32_t>> line_of_;  // by op
  std::map<std::pair<uint32_t, PlaceId>, uint32_t> gang_lines_;
  std::vector<NetNeed> needs_;
  std::optional<NeedLists> before_;  // the same, by who needs
  std::vector<NetOpId> order_;
  std::vector<std::vector<Wait>> waits_, backs_;  // for fences of this iteration, of those before
  std::vector<uint32_t> reach_;                   // by op and place
  std::vector<uint32_t> low_, high_;              // by op
  std::vector<uint32_t> behind_;                  // by op: as low_, of syncs alone
};

}  // namespace

bool FitUnlisted(const Wishes& wishes, const Program& program, ProgramNet& net, Diagnostics& out) {
  const bool closed =
      std::any_of(wishes.has_closed.begin(), wishes.has_closed.end(), [](bool is) { return is; });
  // Where the text says only what is evaluated where, any gap will do.
  const bool plain =
      std::all_of(wishes.lines.begin(), wishes.lines.end(),
                  [](const WishedLine& line) { return line.kind == WishedLine::Kind::kEvaluate; });
  if (plain && !closed && !net.net.loops) return true;
  return Fitter(wishes, program, net, out).Run();
}

}  // namespace tinyai
