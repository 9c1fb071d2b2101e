#include "plan/check_plan.h"

#include <functional>
#include <random>

#include "gtest/gtest.h"
#include "plan/device_test_support.h"
#include "plan/plan_test_support.h"

namespace tinyai {
namespace {

// Plans to damage: resident, half streamed and streamed, with one and three workers, and with some
// ops on a device. Small models whose matrices are cut into several slices all the same.
struct Sound {
  Graph graph;
  std::vector<Plan> plans;
};

const std::vector<Sound>& SoundPlans() {
  static const std::vector<Sound> all = [] {
    std::vector<Sound> out;
    for (const std::string family : {"llama", "qwen2", "qwen3"}) {
      Sound sound{MakeGraph({.architecture = family,
                             .width = 512,
                             .feed_forward = 1536,
                             .heads = 8,
                             .vocabulary = 1024,
                             .tied = family == "qwen2"}),
                  {}};
      for (const uint32_t workers : {1u, 3u}) {
        PlanRequest request{.workers = workers, .context = 128, .chunk = 4};
        const uint64_t least = LeastBudget(sound.graph, request);
        for (const uint64_t more : {uint64_t{0}, sound.graph.PassBytes() / 2, uint64_t{1} << 40}) {
          request.budget_bytes = least + more;
          const Result<Planned> planned = CompilePlan(sound.graph, request);
          EXPECT_TRUE(planned) << Describe(planned.error());
          sound.plans.push_back(planned->plan);
        }
      }
      for (const std::vector<std::string>& there :
           {std::vector<std::string>{"blk.0"}, {"blk.0.ffn", "output"}}) {
        const ModelWishes wishes = OnDevice(sound.graph, there);
        PlanRequest request{.workers = 2, .context = 128, .chunk = 4};
        request.wishes = &wishes;
        request.device = kTestDevice;
        request.budget_bytes = LeastBudget(sound.graph, request) + sound.graph.PassBytes() / 4;
        const Result<Planned> planned = CompilePlan(sound.graph, request);
        EXPECT_TRUE(planned) << Describe(planned.error());
        sound.plans.push_back(planned->plan);
      }
      out.push_back(std::move(sound));
    }
    return out;
  }();
  return all;
}

// So that a damaged load is found by what it does to memory and not by the sums.
void MendSums(Plan& plan) {
  plan.streamed_read_bytes = plan.once_read_bytes = 0;
  if (plan.queues.size() <= kDiskQueue) return;
  for (const Step& step : plan.queues[kDiskQueue].steps) {
    const auto& load = std::get<step::Load>(step.work);
    (load.once ? plan.once_read_bytes : plan.streamed_read_bytes) += load.bytes;
  }
}

// Every damage of a kind, to every plan; counts those that the checker lets pass.
class Damages {
 public:
  // `damage(plan, n)` does the n-th damage and returns false when there is no n-th.
  void Each(const std::function<bool(const Graph&, Plan&, size_t)>& damage, bool mend = true) {
    for (const Sound& sound : SoundPlans()) {
      for (const Plan& plan : sound.plans) {
        for (size_t n = 0;; ++n) {
          Plan damaged = plan;
          if (!damage(sound.graph, damaged, n)) break;
          ++done;
          if (mend) MendSums(damaged);
          const Status status = CheckPlan(sound.graph, damaged);
          if (!status) {
            EXPECT_EQ(status.error().key, "PLAN_INVALID");
            continue;
          }
          ++missed;
          if (missed < 5) ADD_FAILURE() << "damage " << n << " passes, workers " << plan.workers;
        }
      }
    }
    EXPECT_GT(done, 0u);
    EXPECT_EQ(missed, 0u) << "of " << done;
    all += done;
    ::testing::Test::RecordProperty("damages_so_far", std::to_string(all));
  }
  size_t done = 0, missed = 0;
  static inline size_t all = 0;
};

std::vector<Step*> AllSteps(Plan& plan) {
  std::vector<Step*> out;
  for (PlanQueue& queue : plan.queues) {
    for (Step& step : queue.steps) out.push_back(&step);
  }
  return out;
}

// Takes step `at` of a queue away and moves the fences behind it.
void RemoveStep(Plan& plan, uint32_t queue, uint32_t at) {
  std::vector<Step>& steps = plan.queues[queue].steps;
  steps.erase(steps.begin() + at);
  for (Fence& fence : plan.fences) {
    if (fence.queue == queue && fence.step > at) --fence.step;
  }
}

// --- the sound ones ---

TEST(CheckPlan, AcceptsWhatTheCompilerMakes) {
  for (const Sound& sound : SoundPlans()) {
    for (const Plan& plan : sound.plans) {
      const Status status = CheckPlan(sound.graph, plan);
      EXPECT_TRUE(status) << Describe(status.error());
    }
  }
}

// --- syncs, joins, fences ---

TEST(CheckPlan, FindsEverySyncThatIsMissing) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    for (Step* step : AllSteps(plan)) {
      if (n < step->syncs.size()) {
        step->syncs.erase(step->syncs.begin() + static_cast<ptrdiff_t>(n));
        return true;
      }
      n -= step->syncs.size();
    }
    return false;
  });
}

TEST(CheckPlan, FindsEverySyncOfAPassEarlier) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    for (Step* step : AllSteps(plan)) {
      if (n < step->syncs.size()) {
        ++step->syncs[n].distance;
        return true;
      }
      n -= step->syncs.size();
    }
    return false;
  });
}

// With one worker no join is needed, and the compiler's are not wrong either.
TEST(CheckPlan, FindsEveryJoinThatIsMissing) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
    for (size_t i = 1; i < steps.size(); ++i) {
      if (steps[i].joins && n-- == 0) {
        steps[i].joins = false;
        return true;
      }
    }
    return false;
  });
}

TEST(CheckPlan, FindsEveryFenceThatComesTooEarly) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    for (Fence& fence : plan.fences) {
      if (fence.step == 0) continue;
      if (n-- == 0) {
        --fence.step;
        return true;
      }
    }
    return false;
  });
}

TEST(CheckPlan, FindsFencesAndSyncsThatDoNotExist) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    if (n >= plan.fences.size()) return false;
    plan.fences[n].step = static_cast<uint32_t>(plan.queues[plan.fences[n].queue].steps.size());
    return true;
  });
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    for (Step* step : AllSteps(plan)) {
      if (n < step->syncs.size()) {
        step->syncs[n].fence = FenceId(plan.fences.size());
        return true;
      }
      n -= step->syncs.size();
    }
    return false;
  });
}

TEST(CheckPlan, FindsQueuesThatWaitForEachOther) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    if (n != 0 || plan.queues[kDiskQueue].steps.empty()) return false;
    const uint32_t last = static_cast<uint32_t>(plan.queues[kCpuQueue].steps.size()) - 1;
    plan.fences.push_back({"end", kCpuQueue, last});
    plan.queues[kDiskQueue].steps[0].syncs.push_back({FenceId(plan.fences.size() - 1), 0});
    return true;
  });
}

// --- steps ---

TEST(CheckPlan, FindsEveryStepThatIsMissing) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    for (uint32_t queue = 0; queue < plan.queues.size(); ++queue) {
      const size_t steps = plan.queues[queue].steps.size();
      if (n < steps) {
        RemoveStep(plan, queue, static_cast<uint32_t>(n));
        return true;
      }
      n -= steps;
    }
    return false;
  });
}

TEST(CheckPlan, FindsEveryStepThatIsThereTwice) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
    if (n >= steps.size()) return false;
    Step copy = steps[n];
    copy.syncs.clear();
    steps.insert(steps.begin() + static_cast<ptrdiff_t>(n), copy);
    for (Fence& fence : plan.fences) fence.step += fence.queue == kCpuQueue && fence.step >= n;
    return true;
  });
}

bool Depends(const Op& later, const Op& earlier) {
  const bool cache = std::holds_alternative<op::StoreKv>(earlier.kind) &&
                     std::holds_alternative<op::Attention>(later.kind) &&
                     earlier.layer == later.layer;
  return cache || (earlier.out &&
                   std::find(later.ins.begin(), later.ins.end(), *earlier.out) != later.ins.end());
}

// Neighbours that depend on each other, or are parts of one product. Others may change places.
TEST(CheckPlan, FindsNeighboursThatChangedPlaces) {
  Damages().Each([](const Graph& graph, Plan& plan, size_t n) {
    std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
    for (size_t i = 1; i < steps.size(); ++i) {
      auto& earlier = std::get<step::Run>(steps[i - 1].work);
      auto& later = std::get<step::Run>(steps[i].work);
      const bool ordered = earlier.op == later.op ||
                           Depends(graph.ops[Index(later.op)], graph.ops[Index(earlier.op)]);
      if (ordered && n-- == 0) {
        std::swap(earlier, later);  // joins and syncs stay where they are
        return true;
      }
    }
    return false;
  });
}

TEST(CheckPlan, FindsEveryWrongRowRange) {
  for (const int change : {0, 1, 2, 3}) {
    Damages().Each([change](const Graph& graph, Plan& plan, size_t n) {
      for (Step& step : plan.queues[kCpuQueue].steps) {
        auto& run = std::get<step::Run>(step.work);
        if (!std::holds_alternative<op::MatMul>(graph.ops[Index(run.op)].kind)) continue;
        if (n-- != 0) continue;
        if (change == 0) ++run.row_begin;
        if (change == 1) --run.row_end;
        if (change == 2) ++run.row_end;
        if (change == 3) run.row_end = run.row_begin;
        return true;
      }
      return false;
    });
  }
}

TEST(CheckPlan, FindsEveryWrongPlaceOfWeights) {
  for (const int64_t change : {1, -1, 34, 4096}) {
    Damages().Each([change](const Graph& graph, Plan& plan, size_t n) {
      for (Step& step : plan.queues[kCpuQueue].steps) {
        auto& run = std::get<step::Run>(step.work);
        if (!std::holds_alternative<op::MatMul>(graph.ops[Index(run.op)].kind)) continue;
        if (n-- != 0) continue;
        run.weights_offset += static_cast<uint64_t>(change);
        return true;
      }
      return false;
    });
    Damages().Each([change](const Graph&, Plan& plan, size_t n) {
      for (auto& offset : plan.weight_offsets) {
        if (!offset || n-- != 0) continue;
        *offset += static_cast<uint64_t>(change);
        return true;
      }
      return false;
    });
  }
}

TEST(CheckPlan, FindsEveryWrongLoad) {
  for (const int change : {0, 1, 2, 3, 4, 5, 6, 7, 8}) {
    Damages().Each([change](const Graph&, Plan& plan, size_t n) {
      std::vector<Step>& steps = plan.queues[kDiskQueue].steps;
      if (n >= steps.size()) return false;
      auto& load = std::get<step::Load>(steps[n].work);
      const uint64_t block = plan.io_alignment;
      if (change == 0) load.file_offset += block;
      if (change == 1) load.file_offset += 1;
      if (change == 2) load.bytes -= block;
      if (change == 3) load.bytes += uint64_t{1} << 20;
      if (change == 4) load.arena_offset += block;
      if (change == 5) load.arena_offset += 64;
      if (change == 6) load.part += 1;
      if (change == 7) load.once = !load.once;
      if (change == 8) load.bytes = 0;
      return true;
    });
  }
}

TEST(CheckPlan, FindsEveryStepThatIsLeftOutOfTheWrongPasses) {
  Damages().Each([](const Graph& graph, Plan& plan, size_t n) {
    for (Step& step : plan.queues[kCpuQueue].steps) {
      const Op& op = graph.ops[Index(std::get<step::Run>(step.work).op)];
      // Only what keys and values depend on must run: not the end of the last layer.
      const bool last = op.layer + 1 == static_cast<int32_t>(graph.attention.layers);
      const bool needed = op.layer >= 0 && (!last || std::holds_alternative<op::StoreKv>(op.kind));
      if (!needed || n-- != 0) continue;
      step.logits_only = true;
      return true;
    }
    return false;
  });
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    for (Step& step : plan.queues[kDiskQueue].steps) {
      if (step.logits_only || n-- != 0) continue;
      step.logits_only = true;
      return true;
    }
    return false;
  });
}

// --- buffers ---

TEST(CheckPlan, FindsBuffersThatOverlap) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    const size_t a = n / plan.buffers.size(), b = n % plan.buffers.size();
    if (a >= plan.buffers.size()) return false;
    const bool shared = plan.buffers[a].kind == BufferKind::kActivation &&
                        plan.buffers[b].kind == BufferKind::kActivation;
    // Two activations may overlap if they do not live at the same time: a test of its own.
    if (a == b || shared) {
      plan.memory.arena_bytes = 0;
      return true;
    }
    plan.buffers[a].offset = plan.buffers[b].offset;
    return true;
  });
}

// Values that live at the same time, each put where the other lies.
TEST(CheckPlan, FindsValuesThatOverwriteEachOther) {
  Damages().Each([](const Graph& graph, Plan& plan, size_t n) {
    for (const Op& op : graph.ops) {
      for (size_t i = 0; i < op.ins.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (n-- != 0) continue;
          PlanBuffer& moved = plan.buffers[Index(plan.value_buffers[Index(op.ins[i])])];
          moved.offset = plan.buffer(plan.value_buffers[Index(op.ins[j])]).offset;
          return true;
        }
        const bool in_place = std::holds_alternative<op::Add>(op.kind) ||
                              std::holds_alternative<op::SiluMul>(op.kind) ||
                              std::holds_alternative<op::Rope>(op.kind);
        if (!op.out || (in_place && i == 0) || n-- != 0) continue;
        PlanBuffer& out = plan.buffers[Index(plan.value_buffers[Index(*op.out)])];
        out.offset = plan.buffer(plan.value_buffers[Index(op.ins[i])]).offset;
        return true;
      }
    }
    return false;
  });
}

TEST(CheckPlan, FindsBuffersThatAreTooSmallOutsideOrCrooked) {
  for (const int change : {0, 1, 2}) {
    Damages().Each([change](const Graph&, Plan& plan, size_t n) {
      for (PlanBuffer& buffer : plan.buffers) {
        if (n-- != 0) continue;
        if (change == 0) buffer.bytes -= 64;
        if (change == 1) buffer.offset = plan.end_offset();
        if (change == 2) buffer.offset += 4;
        return true;
      }
      return false;
    });
  }
}

TEST(CheckPlan, FindsBuffersWithTwoUses) {
  Damages().Each([](const Graph&, Plan& plan, size_t n) {
    if (n + 1 < plan.cache_buffers.size()) {
      plan.cache_buffers[n + 1] = plan.cache_buffers[n];
      return true;
    }
    n -= plan.cache_buffers.size() - 1;
    if (n + 1 < plan.workspace_buffers.size()) {
      plan.workspace_buffers[n + 1] = plan.workspace_buffers[n];
      return true;
    }
    n -= plan.workspace_buffers.size() - 1;
    if (n == 0) {
      plan.rope_buffer = plan.workspace_buffers[0];
      return true;
    }
    if (n <= plan.value_buffers.size()) {
      plan.value_buffers[n - 1] = plan.rope_buffer;
      return true;
    }
    return false;
  });
}

TEST(CheckPlan, FindsWrongSums) {
  for (const int change : {0, 1, 2, 3}) {
    Damages().Each(
        [change](const Graph&, Plan& plan, size_t n) {
          if (change == 0) ++plan.resident_bytes;
          if (change == 1) ++plan.streamed_bytes;
          if (change == 2) ++plan.streamed_read_bytes;
          if (change == 3) ++plan.once_read_bytes;
          return n == 0;
        },
        false);
  }
}

TEST(CheckPlan, FindsPartsThatDoNotMatchTheModel) {
  for (int change = 0; change < 8; ++change) {
    Damages().Each([change](const Graph&, Plan& plan, size_t n) {
      if (change == 0) plan.queues.pop_back();
      if (change == 1) plan.workers = 0;
      if (change == 2) plan.chunk *= 2;
      if (change == 3) plan.context *= 2;
      if (change == 4) plan.value_buffers.pop_back();
      if (change == 5) plan.cache_buffers[0] = BufferId(plan.buffers.size());
      if (change == 6) plan.key_type = DType::kF32;
      if (change == 7) std::get<step::Run>(plan.queues[0].steps[0].work).op = OpId{1'000'000};
      return n == 0;
    });
  }
}

}  // namespace
}  // namespace tinyai
