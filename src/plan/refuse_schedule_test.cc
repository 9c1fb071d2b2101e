#include <string>
#include <vector>

#include "base/units.h"
#include "fmt/format.h"
#include "golden/golden.h"
#include "plan/schedule_test_support.h"

// Wishes that cannot be obeyed, and what their author is told.
namespace tinyai {
namespace {

TEST(RefuseSchedule, SaysWhatCannotBeObeyedAndWhere) {
  const std::vector<std::string> texts = {
      "CPU { blk.0.attn_q; }\nGPU { blk.0.attn_q; }",
      "place blk.0.attn_q: CPU;\nplace blk.0.attn_q: DISK;",
      "CPU { blk.0.attn_q; blk.0.attn_k; blk.0.attn_q; }",
      "DISK { blk.0.attn_q; prefetch blk.0; }",
      "CPU { pin blk.0; evict blk.0.ffn_up; }",
      "CPU { --- f; } DISK { --- f; }",
      "CPU { blk.0.attn_q; --- write; }\nDISK { sync(blk.0.attn_q); }",
      "CPU { --- write; }\nDISK { sync(output); }",
      "CPU { ffn_up; blk.0.attn_q'; }",
      "GPU { token_embd; }\nDISK { token_embd; }",
      "GPU { print(output); }\nDISK { print(output); }",
      "DISK { sync(read); }\nCPU { blk.0; --- read; }",
      "CPU { blk.1.ffn_norm; }\nCPU { blk.0.attn_q; }",
      "before blk.1, blk.0;",
      "CPU { --- one; blk.0.attn_q; --- two; }\nDISK { sync(two); sync(one); sync(two); }",
      "CPU { blk.9.ffn_up; blk.0..7; blk.0.ffn_ip; nothing; sync(on); --- no; }",
      "TPU { blk.0; }\nDISC { blk.0; }\nbudget GPU.mem <= 1G;\nbuffer \"x\": at 0;",
      "closed CPU { blk.0.attn_q; blk.0.attn_k; ???; }",
      "closed CPU { ???; blk.0.attn_q; blk.0.attn; }",
      "closed CPU { ???; output; blk.0.attn_q; ???; }",
      "closed DISK { blk.0.attn_q; }",
      "GPU { blk.0.attn_q; }\nplace blk.1.attn: GPU[1];\nplace blk.0.ffn_down.weight: CPU;",
      "CPU { evict blk.0.attn_norm; evict cache; pin blk.0.rope_q; print(blk.0.attn_q); load "
      "blk.0; }",
      "CPU { move blk.0 -> GPU; free blk.0; recompute blk.0.attn_q; sync(a@-1); --- a; }",
      "CPU { blk.0.attn_norm; free blk.0.attn_norm; blk.1.ffn_up; free blk.1; blk.1.ffn_down; }",
      "DISK { free blk.0.attn_norm; }\nCPU { free cache; free output; free blk.0.attn_norm.weight; "
      "}",
      "CPU { free blk.1.ffn_norm; blk.0.attn_q; }",
      "CPU { if (x) { blk.0; } loop i { blk.0; } pin blk.0: hard; pin blk.0.attn_q[0..4]; }",
      "objective lex(syncs);\nbefore cache, blk.0;\nDISK.rows { blk.0; prefetch blk.0; --- f; }",
      "CPU { pin blk; }",
      "CPU { pin blk.0; pin blk.1.ffn_up; pin blk.2; }",
      "budget RAM <= 100K;",
      "DISK { evict blk; prefetch blk.0..2; }",
      "CPU { pin",
      "closed DISK { ???; blk.0.attn_q; }\nclosed GPU { blk.0.attn_q; }",
      "CPU { pin blk.0.attn_q[0..4]; evict blk.0.attn_q[3..5]; evict blk.0.attn_k[0..257]; "
      "pin blk.0.attn_norm[0..1]; evict blk.0.attn_v[4..4]; pin token_embd[0..4]; "
      "blk.0.attn_q[0..4]; }",
      "CPU { --- f; blk.0; }\nDISK { sync(f@-2); sync(g@-1); blk.1; sync(f@-1); sync(f@-1); }",
  };
  const Graph graph = SmallGraph();
  const PlanRequest request = SmallRequest(graph, 512 * kKiB);
  std::string all;
  for (const std::string& text : texts) {
    const Outcome out = PlanBy(graph, text, request);
    EXPECT_FALSE(out.planned) << text;
    if (out.planned) continue;
    EXPECT_EQ(out.planned.error().code, ErrorCode::kSchedule) << text;
    EXPECT_EQ(out.planned.error().file, "a.sched") << text;
    all += fmt::format("{}\n=> {}\n{}\n", text, out.planned.error().key, out.complaints);
  }
  ExpectGolden("src/plan/goldens/schedule_errors.txt", all);
}

TEST(RefuseSchedule, LongTextsAreReadToTheirEnd) {
  const Graph graph = SmallGraph();
  std::string pins = "CPU {";
  for (int i = 0; i < 10'000; ++i) pins += " pin blk.0..2.ffn_up; prefetch blk.1;";
  EXPECT_TRUE(PlanBy(graph, pins + "}", SmallRequest(graph, 100 * kMiB)).planned);
  std::string blocks, orders;
  for (int i = 0; i < 2'000; ++i) orders += "before blk.0, blk.1;";
  EXPECT_TRUE(PlanBy(graph, orders, SmallRequest(graph, kMiB)).planned);
  orders += "before blk.2, blk.1;";
  EXPECT_FALSE(PlanBy(graph, orders, SmallRequest(graph, kMiB)).planned);
  for (int i = 0; i < 2'000; ++i) blocks += fmt::format("CPU {{ --- f{}; sync(f{}); }}\n", i, i);
  EXPECT_TRUE(PlanBy(graph, blocks, SmallRequest(graph, kMiB)).planned);
}

}  // namespace
}  // namespace tinyai
