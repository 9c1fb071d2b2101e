#include "program/loop_schedule.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "lang/parse_ref.h"
#include "program/program_net.h"

namespace tinyai {
namespace {

bool LooksBack(const std::vector<Command>& commands) {
  return std::any_of(commands.begin(), commands.end(), [](const Command& command) {
    if (const auto* sync = std::get_if<cmd::Sync>(&command.what)) {
      return std::any_of(sync->targets.begin(), sync->targets.end(),
                         [](const cmd::Sync::Target& target) { return target.distance != 0; });
    }
    const auto* branch = std::get_if<cmd::If>(&command.what);
    return branch != nullptr &&
           (LooksBack(branch->then) || (branch->otherwise && LooksBack(*branch->otherwise)));
  });
}

class LoopFinder {
 public:
  explicit LoopFinder(Diagnostics& out) : out_(out) {}

  void Visit(const Block& block) { Visit(block, block.commands); }
  std::map<std::string, LoopSchedule> Take() { return std::move(loops_); }

 private:
  void Visit(const Block& block, const std::vector<Command>& commands) {
    for (const Command& command : commands) {
      if (const auto* inner = std::get_if<Block>(&command.what)) Visit(*inner);
      if (const auto* branch = std::get_if<cmd::If>(&command.what)) {
        Visit(block, branch->then);
        if (branch->otherwise) Visit(block, *branch->otherwise);
      }
      if (const auto* loop = std::get_if<cmd::Loop>(&command.what)) {
        Add(block, *loop, command.where);
      }
    }
  }

  void Add(const Block& block, const cmd::Loop& loop, Where where) {
    const auto [known, added] = loops_.try_emplace(loop.name);
    LoopSchedule& schedule = known->second;
    if (added) schedule.where = where;
    if (loop.window && schedule.window && *loop.window != *schedule.window) {
      out_.Error("A1", where,
                 fmt::format("loop '{}' has two windows: {} and {}", loop.name, *schedule.window,
                             *loop.window))
          .NoteAt(schedule.where, "the other one")
          .Help("write the same in both");
    }
    if (loop.window) schedule.window = loop.window;
    schedule.looks_back = schedule.looks_back || LooksBack(loop.body);
    AddCommands(block, loop.body, schedule.body);
  }
  // Blocks in the body stand for themselves.
  static void AddCommands(const Block& around, const std::vector<Command>& commands,
                          Schedule& body) {
    Block own = around;
    own.commands.clear();
    const auto flush = [&] {
      if (own.commands.empty()) return;
      body.items.push_back({own, own.where});
      own.commands.clear();
    };
    for (const Command& command : commands) {
      if (const auto* inner = std::get_if<Block>(&command.what)) {
        flush();
        AddCommands(*inner, inner->commands, body);
      } else {
        own.commands.push_back(command);
      }
    }
    flush();
  }

  Diagnostics& out_;
  std::map<std::string, LoopSchedule> loops_;
};

// Which fences commands record and wait for, in arms too.
void CollectFences(const std::vector<Command>& commands, std::set<std::string>& recorded,
                   std::set<std::string>& awaited) {
  for (const Command& command : commands) {
    if (const auto* fence = std::get_if<cmd::Fence>(&command.what)) recorded.insert(fence->name);
    if (const auto* sync = std::get_if<cmd::Sync>(&command.what)) {
      for (const cmd::Sync::Target& target : sync->targets) {
        if (target.distance == 0) awaited.insert(target.fence);
      }
    }
    if (const auto* branch = std::get_if<cmd::If>(&command.what)) {
      CollectFences(branch->then, recorded, awaited);
      if (branch->otherwise) CollectFences(*branch->otherwise, recorded, awaited);
    }
  }
}

// The places of a body go round at the same time, so blocks of several places say nothing of each
// other, but where a block hands on a fence of its own place. The first command of the text whose
// fences are recorded comes first; where there is none, the rest stays as it is.
class Merger {
 public:
  explicit Merger(const Schedule& body) {
    for (const Item& item : body.items) {
      const Block& block = std::get<Block>(item.what);
      for (const Command& command : block.commands) {
        Part& part = parts_.emplace_back();
        part.block = &block;
        part.command = &command;
        part.place = block.place->name;
        for (const std::string& queue : block.place->queues) part.place += "." + queue;
        CollectFences({command}, part.recorded, part.awaited);
        for (const std::string& fence : part.recorded) written_.try_emplace(fence, part.place);
      }
    }
    if (std::any_of(parts_.begin(), parts_.end(),
                    [&](const Part& part) { return HandsOn(part); })) {
      return;
    }
    std::stable_sort(parts_.begin(), parts_.end(),
                     [](const Part& a, const Part& b) { return a.place < b.place; });
  }

  Schedule Merge() {
    size_t first = 0;
    while (first < parts_.size()) {
      size_t next = first;
      while (next < parts_.size() && !IsReady(first, next)) ++next;
      Put(parts_[next < parts_.size() ? next : first]);
      while (first < parts_.size() && parts_[first].put) ++first;
    }
    return std::move(out_);
  }

 private:
  struct Part {
    const Block* block = nullptr;
    const Command* command = nullptr;
    std::string place;
    std::set<std::string> recorded, awaited;
    bool put = false;
  };

  bool HandsOn(const Part& part) const {
    return std::any_of(part.awaited.begin(), part.awaited.end(), [&](const std::string& fence) {
      const auto found = written_.find(fence);
      return found != written_.end() && found->second == part.place;
    });
  }
  // Each place keeps its order.
  bool IsReady(size_t first, size_t at) const {
    const Part& part = parts_[at];
    if (part.put) return false;
    for (size_t i = first; i < at; ++i) {
      if (!parts_[i].put && parts_[i].place == part.place) return false;
    }
    return std::all_of(part.awaited.begin(), part.awaited.end(), [&](const std::string& fence) {
      return recorded_.contains(fence) || part.recorded.contains(fence) ||
             !written_.contains(fence);
    });
  }
  void Put(Part& part) {
    part.put = true;
    recorded_.insert(part.recorded.begin(), part.recorded.end());
    if (out_.items.empty() || last_ != part.block) {
      Block block = *part.block;
      block.commands.clear();
      out_.items.push_back({std::move(block), part.block->where});
      last_ = part.block;
    }
    std::get<Block>(out_.items.back().what).commands.push_back(*part.command);
  }

  std::vector<Part> parts_;
  std::map<std::string, std::string> written_;  // by fence: the place
  std::set<std::string> recorded_;
  const Block* last_ = nullptr;
  Schedule out_;
};

}  // namespace

Place PlaceFromName(std::string name) {
  Place place;
  place.name = name.substr(0, name.find('.'));
  while (name.find('.') != std::string::npos) {
    name = name.substr(name.find('.') + 1);
    place.queues.push_back(name.substr(0, name.find('.')));
  }
  return place;
}

cmd::Loop LoopCommand(const CompiledProgram& body, const std::string& place) {
  cmd::Loop out;
  out.name = LoopName(body.program, body.program.loops[body.body->loop]);
  if (body.body->window > 1 || body.body->wanted_window) out.window = body.body->window;
  std::vector<const Block*> blocks;
  for (const Item& item : body.schedule.items) {
    const auto* block = std::get_if<Block>(&item.what);
    if (block != nullptr && *block->place == PlaceFromName(place)) blocks.push_back(block);
  }
  for (const Block* block : blocks) {
    if (blocks.size() == 1 && !block->closed) {
      out.body = block->commands;
    } else {
      Command& command = out.body.emplace_back();
      command.what = *block;
    }
  }
  return out;
}

std::map<std::string, LoopSchedule> FindLoops(const Schedule& schedule, Diagnostics& out) {
  LoopFinder finder(out);
  for (const Item& item : schedule.items) {
    if (const auto* block = std::get_if<Block>(&item.what)) finder.Visit(*block);
  }
  std::map<std::string, LoopSchedule> loops = finder.Take();
  for (auto& [name, loop] : loops) loop.body = Merger(loop.body).Merge();
  return loops;
}

}  // namespace tinyai
