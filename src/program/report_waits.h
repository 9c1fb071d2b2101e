#pragma once

#include <map>
#include <string>
#include <vector>

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "program/wishes.h"

namespace tinyai {

// A sync in front of its fence.
struct EarlyWait {
  std::string fence;
  Span where;
  PlaceId place{};
};

// Says what is wrong with the fences and syncs of a schedule as a whole: syncs in front of their
// fences (I3; I4 where places wait for each other), fences that nobody waits for (W1). `written`:
// where the text records each fence.
void ReportWaits(const Wishes& wishes, const Devices& devices,
                 const std::map<std::string, Span, std::less<>>& written,
                 const std::vector<EarlyWait>& early, Diagnostics& out);

}  // namespace tinyai
