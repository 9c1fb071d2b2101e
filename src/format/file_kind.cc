#include "format/file_kind.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "fmt/format.h"
#include "format/onnx_model.h"

namespace tinyai {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view start;  // lower case for text; compared without regard to case
  std::string_view text;
};

constexpr std::string_view kOldGgml =
    "it looks like a GGML file from before GGUF; convert the original model to GGUF again";
constexpr std::string_view kWebPage =
    "it looks like a web page (HTML): download failed? Fetch the file itself, not its page";
constexpr std::array kKinds = {
    Kind{"fugg", "the magic is byte-swapped: a GGUF file written in the wrong byte order"},
    Kind{"ggml", kOldGgml},
    Kind{"lmgg", kOldGgml},
    Kind{"ggjt", kOldGgml},
    Kind{"tjgg", kOldGgml},
    Kind{"ggmf", kOldGgml},
    Kind{"fmgg", kOldGgml},
    Kind{"ggla", "it looks like an old GGML adapter (LoRA); convert it to GGUF"},
    Kind{"algg", "it looks like an old GGML adapter (LoRA); convert it to GGUF"},
    Kind{"pk\x03\x04",
         "it looks like a ZIP archive, as PyTorch's and NumPy's files are: convert it"},
    Kind{"pk", "it looks like a ZIP archive, as PyTorch's and NumPy's files are: convert it"},
    Kind{"\x7f"
         "elf",
         "it looks like an ELF program or library, not a model"},
    Kind{"<!doctype", kWebPage},
    Kind{"<html", kWebPage},
    Kind{"<?xml", "it looks like XML: download failed?"},
    Kind{"version https://git-lfs", "it is a Git LFS pointer, not the file; run 'git lfs pull'"},
    Kind{"\x1f\x8b", "it looks like a gzip archive; unpack it first"},
    Kind{"\x28\xb5\x2f\xfd", "it looks like a zstd archive; unpack it first"},
    Kind{"bzh", "it looks like a bzip2 archive; unpack it first"},
    Kind{"\xfd"
         "7zxz",
         "it looks like an xz archive; unpack it first"},
    Kind{"\x80\x02", "it looks like a Python pickle; convert it"},
    Kind{"{", "it looks like JSON, not a model"},
};

char Lower(std::byte byte) {
  const char c = static_cast<char>(byte);
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool StartsWith(std::span<const std::byte> bytes, std::string_view start) {
  if (bytes.size() < start.size()) return false;
  return std::equal(start.begin(), start.end(), bytes.begin(),
                    [](char want, std::byte have) { return want == Lower(have); });
}

}  // namespace

std::string DescribeFileStart(std::span<const std::byte> start) {
  // Safetensors: the length of a JSON header, then the header.
  if (start.size() > 8 && static_cast<char>(start[8]) == '{' && start[7] == std::byte{0}) {
    return "it looks like safetensors; name the folder that holds it, with its config.json";
  }
  if (StartsLikeOnnx(start)) {
    return "it looks like an ONNX model; make a .tmai file of it: tinyai convert";
  }
  for (const Kind& kind : kKinds) {
    if (StartsWith(start, kind.start)) return std::string(kind.text);
  }
  if (std::all_of(start.begin(), start.end(), [](std::byte b) { return b == std::byte{0}; })) {
    return "it starts with zeros: the download was never finished?";
  }
  std::string bytes;
  for (const std::byte byte : start.first(std::min<size_t>(start.size(), 4))) {
    bytes += fmt::format(" {:02X}", static_cast<unsigned>(byte));
  }
  return fmt::format("it starts with the bytes{}", bytes);
}

}  // namespace tinyai
