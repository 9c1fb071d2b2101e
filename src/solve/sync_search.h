#pragma once

#include <cstdint>
#include <optional>

#include "solve/contract_syncs.h"
#include "solve/search_limits.h"
#include "solve/sync_word.h"

// Least syncs, then least fences, for any number of places: A* over what each place knows, after
// everything has run that can (NP-hard in general; ../shared/spec/scheduling.md, 2.4).
namespace tinyai {

struct SyncSearchResult {
  // The best word found that is no longer than the given one.
  SyncWord word;
  uint32_t least_syncs = 0;   // proved; equal to word.size() if that is optimal
  uint32_t least_fences = 0;  // proved for schedules of word.size() syncs
};

// Whether SearchSyncs can take a net of this size.
bool CanSearchSyncs(const ContractedNet& net);

// `word` completes the net that `net` was contracted from, or just `net`. Each of two
// searches is given up when it has found bounds for `most_looks` states.
SyncSearchResult SearchSyncs(const ContractedNet& net, const SyncWord& word, uint64_t most_looks,
                             const SearchLimits& limits);

}  // namespace tinyai
