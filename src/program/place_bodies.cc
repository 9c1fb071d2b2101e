#include "program/place_bodies.h"

#include <map>

#include "base/checked.h"
#include "program/program_net.h"

namespace tinyai {
namespace {

class BodyPlacer {
 public:
  explicit BodyPlacer(std::vector<uint64_t>& heights) : heights_(heights) {}

  void Place(CompiledProgram& around) {
    for (uint32_t i = 0; i < around.bodies.size(); ++i) {
      PlaceOne(around, i);
      Place(around.bodies[i]);
    }
  }

 private:
  void PlaceOne(CompiledProgram& around, uint32_t index) {
    CompiledProgram& body = around.bodies[index];
    std::map<NetValueId, NetBuffer> given;
    for (size_t i = 0; i < around.net.ops.size(); ++i) {
      const auto* loop = std::get_if<work::Loop>(&around.work[i]);
      if (loop == nullptr || loop->body != index) continue;
      const std::vector<NetValueId> read = GivenReadAt(body, around.details.place_of[i]);
      for (size_t j = 0; j < read.size(); ++j) {
        given[read[j]] = around.plan.value_buffers[Index(around.net.ops[i].ins[j])];
      }
    }
    std::vector<uint64_t> from, to;
    for (size_t memory = 0; memory < heights_.size(); ++memory) {
      const NetMemory& in = body.net.memories[memory];
      from.push_back(RoundUp(in.reserved_bytes, in.alignment));
      to.push_back(RoundUp(heights_[memory], in.alignment));
      const uint64_t own = body.plan.heights[memory] - from.back();
      if (own != 0) heights_[memory] = to.back() + own;
    }
    const auto move = [&](NetBuffer& buffer) {
      if (buffer.bytes == 0) return;
      buffer.offset = buffer.offset - from[Index(buffer.memory)] + to[Index(buffer.memory)];
    };
    for (size_t i = 0; i < body.net.values.size(); ++i) {
      NetBuffer& buffer = body.plan.value_buffers[i];
      if (const auto found = given.find(NetValueId(i)); found != given.end()) {
        buffer.offset = found->second.offset;
        body.net.values[i].offset = buffer.offset;
      } else if (!body.net.values[i].given) {
        move(buffer);
      }
    }
    for (NetBuffer& workspace : body.plan.workspaces) move(workspace);
    for (const LoopBody::Carried& one : body.body->carried) {
      body.plan.value_buffers[Index(one.next)] = body.plan.value_buffers[Index(one.before)];
    }
  }

  std::vector<uint64_t>& heights_;  // by memory
};

// The memories of all are the same.
void Raise(CompiledProgram& around, const std::vector<uint64_t>& heights) {
  for (CompiledProgram& body : around.bodies) {
    body.plan.heights = heights;
    Raise(body, heights);
  }
}

}  // namespace

void PlaceBodies(CompiledProgram& program) {
  if (program.bodies.empty()) return;
  BodyPlacer(program.plan.heights).Place(program);
  Raise(program, program.plan.heights);
  for (size_t i = 0; i < program.details.peaks.size(); ++i) {
    program.details.peaks[i].value = program.plan.heights[i];
  }
}

}  // namespace tinyai
