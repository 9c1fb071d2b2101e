#pragma once

#include <memory>
#include <vector>

#include "format/block_checker.h"
#include "os/read_queue.h"

namespace tinyai {

// A read queue whose reads are compared with the checksums of their files before they count as
// finished. Damaged bytes are read once more, then the request ends with TMAI_CHECKSUM: nobody
// computes with them.
class CheckedReadQueue : public ReadQueue {
 public:
  // `checkers`: of each file that `inner` reads, null for those without checksums; they outlive
  // this object. Requests are whole blocks.
  CheckedReadQueue(std::unique_ptr<ReadQueue> inner, std::vector<BlockChecker*> checkers)
      : inner_(std::move(inner)), checkers_(std::move(checkers)) {}

  IoPath path() const override { return inner_->path(); }
  uint32_t depth() const override { return inner_->depth(); }
  uint64_t alignment() const override { return inner_->alignment(); }
  uint32_t in_flight() const override { return inner_->in_flight(); }
  Status Submit(const ReadRequest& request) override;
  Result<uint64_t> Wait(std::chrono::nanoseconds timeout) override;
  void Cancel() override { inner_->Cancel(); }
  bool Stop(std::chrono::nanoseconds grace) override { return inner_->Stop(grace); }

 private:
  struct Reading {
    ReadRequest request;
    bool again = false;
  };
  std::unique_ptr<ReadQueue> inner_;
  std::vector<BlockChecker*> checkers_;
  std::vector<Reading> reading_;  // in flight
};

}  // namespace tinyai
