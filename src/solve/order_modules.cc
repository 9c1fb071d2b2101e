#include "solve/order_modules.h"

#include <algorithm>
#include <numeric>

#include "solve/order_lifetimes.h"

namespace tinyai {
namespace {

using Ops = std::vector<uint32_t>;

class ModuleFinder {
 public:
  explicit ModuleFinder(const OrderNet& net)
      : net_(net),
        root_(static_cast<uint32_t>(net.ops())),
        inside_(net.ops() + 1, 0),
        taken_(net.ops(), 0) {
    Ops order(net.ops());
    std::iota(order.begin(), order.end(), 0);
    before_ = NearestDominators(net.preds, order);
    std::reverse(order.begin(), order.end());
    after_ = NearestDominators(net.succs, order);
  }

  std::vector<OrderModule> Find() {
    for (uint32_t op = root_; op-- > 0;) {
      if (before_[op] == root_) Offer(root_, op);
    }
    for (uint32_t op = 0; op < root_; ++op) {
      if (after_[op] == root_) Offer(op, root_);
    }
    for (uint32_t op = 0; op < root_; ++op) {
      if (after_[op] != root_ && before_[after_[op]] == op) Offer(op, after_[op]);
    }
    return std::move(found_);
  }

 private:
  // All that lies between, root_ being before or after everything, if it is a module.
  void Offer(uint32_t entry, uint32_t exit) {
    if ((entry < root_ && taken_[entry]) || (exit < root_ && taken_[exit])) return;
    OrderModule module;
    module.entry = entry == root_ ? OrderModule::kNone : entry;
    module.exit = exit == root_ ? OrderModule::kNone : exit;
    module.ops = Between(entry, exit);
    for (const uint32_t op : module.ops) inside_[op] = 1;
    const bool good =
        module.ops.size() > 1 && std::all_of(module.ops.begin(), module.ops.end(),
                                             [&](uint32_t op) { return Closed(op, module); });
    for (const uint32_t op : module.ops) inside_[op] = 0;
    if (!good) return;
    for (const uint32_t op : module.ops) taken_[op] = 1;
    std::sort(module.ops.begin(), module.ops.end());
    found_.push_back(std::move(module));
  }

  Ops Between(uint32_t entry, uint32_t exit) {
    const bool forward = entry != root_;
    const Lists& next = forward ? net_.succs : net_.preds;
    Ops out{forward ? entry : exit};
    for (size_t i = 0; i < out.size(); ++i) {
      for (const uint32_t op : next[out[i]]) {
        if (inside_[op] || op == exit) continue;
        inside_[op] = 1;
        out.push_back(op);
      }
    }
    out.erase(out.begin());
    for (const uint32_t op : out) inside_[op] = 0;
    return out;
  }

  bool Closed(uint32_t op, const OrderModule& module) const {
    const auto belongs = [&](uint32_t other) {
      return inside_[other] || other == module.entry || other == module.exit;
    };
    const auto all = [&](std::span<const uint32_t> ops) {
      return std::all_of(ops.begin(), ops.end(), belongs);
    };
    const auto tensors = net_.tensors_of[op];
    return !taken_[op] && all(net_.preds[op]) && all(net_.succs[op]) &&
           std::all_of(tensors.begin(), tensors.end(),
                       [&](uint32_t t) { return all(net_.pins[t]); });
  }

  const OrderNet& net_;
  uint32_t root_;
  Ops before_, after_;
  std::vector<uint8_t> inside_, taken_;
  std::vector<OrderModule> found_;
};

// A stretch of a module's order.
struct Segment {
  Ops ops;
  int64_t rise;   // above the level at its begin
  int64_t level;  // of the module's tensors after it
};

// Cuts an order where the level is as low as ever before, up to the lowest of all, and from there
// on where it will never be as low again.
std::vector<Segment> Segments(const OrderNet& part, const Ops& order) {
  OrderState state(part);
  std::vector<int64_t> level{state.level()}, during;
  for (const uint32_t op : order) {
    during.push_back(state.level() + state.Try(op).rise);
    state.Run(op);
    level.push_back(state.level());
  }
  const size_t lowest =
      static_cast<size_t>(std::min_element(level.begin(), level.end()) - level.begin());
  std::vector<uint8_t> cut(level.size(), 0);
  cut[lowest] = cut.back() = 1;
  for (int64_t at = 0, low = level[0]; at < static_cast<int64_t>(lowest); ++at) {
    if (level[at] <= low) cut[at] = 1, low = level[at];
  }
  int64_t low = level.back();
  for (size_t at = level.size(); at-- > lowest + 1;) {
    if (level[at] <= low) cut[at] = 1, low = level[at];
  }
  std::vector<Segment> out;
  size_t begin = 0;
  for (size_t at = 1; at < level.size(); ++at) {
    if (!cut[at]) continue;
    Segment segment;
    segment.ops.assign(order.begin() + static_cast<std::ptrdiff_t>(begin),
                       order.begin() + static_cast<std::ptrdiff_t>(at));
    segment.rise = *std::max_element(during.begin() + static_cast<std::ptrdiff_t>(begin),
                                     during.begin() + static_cast<std::ptrdiff_t>(at)) -
                   level[begin];
    segment.level = level[at];
    out.push_back(std::move(segment));
    begin = at;
  }
  return out;
}

// The net under construction, in which a stretch of a module has the number of one of its ops.
class Reducer {
 public:
  explicit Reducer(const OrderNet& net)
      : net_(net),
        cutter_(net),
        groups_(net.ops()),
        preds_(net.ops()),
        tensors_(net.ops()),
        extra_(net.extra),
        bytes_(net.bytes),
        born_(net.born),
        kept_(net.kept),
        last_(net.ops()),
        inside_(net.ops(), 0),
        spans_(net.bytes.size(), 0) {
    std::iota(last_.begin(), last_.end(), 0);
  }

  void Replace(const OrderModule& module, const Ops& order);
  ReducedNet Finish();

 private:
  void Touch(uint32_t op, uint32_t tensor) { tensors_[op].push_back(tensor); }
  void AddTensor(int64_t bytes, bool born, bool kept, std::initializer_list<uint32_t> pins) {
    if (bytes == 0) return;
    for (const uint32_t pin : pins) Touch(pin, static_cast<uint32_t>(bytes_.size()));
    bytes_.push_back(bytes);
    born_.push_back(born);
    kept_.push_back(kept);
  }
  bool Spans(uint32_t tensor, const OrderModule& module) const {
    return (net_.born[tensor] || Has(tensor, module.entry)) &&
           (net_.kept[tensor] || Has(tensor, module.exit));
  }
  bool Has(uint32_t tensor, uint32_t op) const {
    const auto pins = net_.pins[tensor];
    return std::find(pins.begin(), pins.end(), op) != pins.end();
  }
  // What joins a module to the rest: as many bytes as live before its first op and after its last.
  void JoinEnds(const OrderModule& module, uint32_t first, uint32_t last);

  const OrderNet& net_;
  NetCutter cutter_;
  std::vector<Ops> groups_, preds_, tensors_;
  std::vector<int64_t> extra_, bytes_;
  std::vector<uint8_t> born_, kept_;
  Ops last_;                     // of an op of a module: the number of its last stretch
  std::vector<uint8_t> inside_;  // ops of modules
  std::vector<uint8_t> spans_;   // tensors that live as long as a module runs
};

void Reducer::Replace(const OrderModule& module, const Ops& order) {
  std::vector<uint8_t> before(net_.ops(), 0);
  if (module.entry != OrderModule::kNone) before[module.entry] = 1;
  const std::vector<Segment> segments = Segments(cutter_.Part(module.ops, before), order);
  for (size_t i = 0; i < segments.size(); ++i) {
    const uint32_t id = module.ops[i];
    for (const uint32_t op : segments[i].ops) groups_[id].push_back(module.ops[op]);
    extra_[id] = segments[i].rise - segments[i].level;
    if (i == 0) continue;
    preds_[id].push_back(module.ops[i - 1]);
    AddTensor(segments[i - 1].level, false, false, {module.ops[i - 1], id});
  }
  const uint32_t first = module.ops[0], last = module.ops[segments.size() - 1];
  if (module.entry != OrderModule::kNone) preds_[first].push_back(module.entry);
  JoinEnds(module, first, last);
  for (const uint32_t op : module.ops) {
    inside_[op] = 1;
    last_[op] = last;
  }
}

void Reducer::JoinEnds(const OrderModule& module, uint32_t first, uint32_t last) {
  Ops tensors;
  for (const uint32_t op : module.ops) {
    const auto more = net_.tensors_of[op];
    tensors.insert(tensors.end(), more.begin(), more.end());
  }
  std::sort(tensors.begin(), tensors.end());
  tensors.erase(std::unique(tensors.begin(), tensors.end()), tensors.end());
  int64_t given = 0, made = 0, kept = 0, used = 0;
  for (const uint32_t tensor : tensors) {
    if (Spans(tensor, module)) {  // lives throughout, for the sake of others
      spans_[tensor] = 1;
      continue;
    }
    const int64_t bytes = net_.bytes[tensor];
    if (net_.born[tensor] || Has(tensor, module.entry)) (net_.born[tensor] ? given : made) += bytes;
    if (net_.kept[tensor] || Has(tensor, module.exit)) (net_.kept[tensor] ? kept : used) += bytes;
  }
  AddTensor(given, true, false, {first});
  AddTensor(kept, false, true, {last});
  if (made > 0) AddTensor(made, false, false, {module.entry, first});
  if (used > 0) AddTensor(used, false, false, {last, module.exit});
}

ReducedNet Reducer::Finish() {
  for (uint32_t op = 0; op < net_.ops(); ++op) {
    if (inside_[op]) continue;
    groups_[op] = {op};
    for (const uint32_t pred : net_.preds[op]) preds_[op].push_back(last_[pred]);
    for (const uint32_t tensor : net_.tensors_of[op]) {
      const auto pins = net_.pins[tensor];
      // Joined to a module by another one, unless it lives throughout.
      const auto shared =
          std::find_if(pins.begin(), pins.end(), [&](uint32_t pin) { return inside_[pin]; });
      if (shared == pins.end() || spans_[tensor]) Touch(op, tensor);
    }
  }
  ReducedNet out;
  constexpr uint32_t kNone = UINT32_MAX;
  Ops number(net_.ops(), kNone), tensor_number(bytes_.size(), kNone);
  for (uint32_t op = 0; op < net_.ops(); ++op) {
    if (groups_[op].empty()) continue;
    number[op] = static_cast<uint32_t>(out.groups.size());
    out.groups.push_back(std::move(groups_[op]));
    std::sort(preds_[op].begin(), preds_[op].end());
    preds_[op].erase(std::unique(preds_[op].begin(), preds_[op].end()), preds_[op].end());
    for (const uint32_t pred : preds_[op]) out.net.preds.items.push_back(number[pred]);
    out.net.preds.Close();
    for (const uint32_t tensor : tensors_[op]) {
      uint32_t& id = tensor_number[tensor];
      if (id == kNone) {
        id = static_cast<uint32_t>(out.net.bytes.size());
        out.net.bytes.push_back(bytes_[tensor]);
        out.net.born.push_back(born_[tensor]);
        out.net.kept.push_back(kept_[tensor]);
      }
      out.net.tensors_of.items.push_back(id);
    }
    out.net.tensors_of.Close();
    out.net.extra.push_back(extra_[op]);
  }
  out.net.succs = Transposed(out.net.preds, out.net.ops());
  out.net.pins = Transposed(out.net.tensors_of, out.net.bytes.size());
  return out;
}

}  // namespace

std::vector<OrderModule> FindModules(const OrderNet& net) { return ModuleFinder(net).Find(); }

std::vector<uint32_t> ReducedNet::Expand(std::span<const uint32_t> order) const {
  Ops out;
  for (const uint32_t op : order) out.insert(out.end(), groups[op].begin(), groups[op].end());
  return out;
}

ReducedNet Reduce(const OrderNet& net, const std::vector<OrderModule>& modules,
                  const std::vector<std::vector<uint32_t>>& orders) {
  Reducer reducer(net);
  for (size_t i = 0; i < modules.size(); ++i) reducer.Replace(modules[i], orders[i]);
  return reducer.Finish();
}

}  // namespace tinyai
