#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "device/direct.h"
#include "device/run_program.h"
#include "program/compiled_program.h"

// Random programs, and plans of them for random places.
namespace tinyai {

struct RandomProgramShape {
  uint32_t statements = 12;
  bool tensors = true;
  bool arms = true;
  bool floats = true;  // whose functions a GPU rounds otherwise
  // Every value changes whenever one that it is made from does: for tests that look at values for
  // what went wrong before.
  bool sensitive = false;
};

struct RandomProgram {
  Program program;
  std::string input;  // all that it reads
};

// A program of numbers and small tensors of several types, in which division by zero, arms and
// shared operands occur. The same for equal arguments.
RandomProgram MakeRandomProgram(const RandomProgramShape& shape, uint64_t seed);
// Other numbers for the same program to read.
std::string OtherInput(const RandomProgramShape& shape, const Program& program, uint64_t seed);

struct RandomPlacesShape {
  uint32_t places = 3;        // CPU, then GPU, GPU1, ..
  bool own_memories = false;  // each place has its own, and values are moved between them
  uint64_t alignment = 1;
};

// The program with every eval at a random place, its values printed in the end by the CPU, planned.
// Fails the test where planning does.
// `all_on_last`: but for what only the CPU can do, all is at the last place.
CompiledProgram PlanAtRandom(const RandomProgram& random, const RandomPlacesShape& shape,
                             uint64_t seed, bool all_on_last = false);

// What the program prints where nothing is scheduled: names and values as text, sorted as the plan
// prints them.
std::vector<std::string> OutputsDirectly(const CompiledProgram& compiled, const std::string& input,
                                         bool& trapped);
std::vector<std::string> OutputTexts(const ProgramRun& run);

// A sync of a plan.
struct SyncAt {
  PlaceId place{};
  uint32_t command = 0, index = 0;
};
std::vector<SyncAt> SyncsOf(const NetPlan& plan);
NetPlan WithoutSync(NetPlan plan, const SyncAt& dropped);

// The delay that shows best that a plan lacks a sync before a command: another place stands still
// where the command's place knows nothing more of it, until that one has gone past the gap.
class GapDelay {
 public:
  // `plan` is without the sync.
  GapDelay(const NetPlan& plan, const SyncAt& dropped, PlaceId held);
  void operator()(PlaceId place, uint32_t command, const PlacePositions& positions) const;

 private:
  PlaceId held_{}, ahead_{};
  uint32_t hold_at_ = 0, until_ = 0;
};

}  // namespace tinyai
