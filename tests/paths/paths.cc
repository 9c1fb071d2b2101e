#include "paths/paths.h"

#include <cstdlib>

namespace tinyai {

std::string SourceFolder() { return TINYAI_SOURCE_FOLDER; }

std::string SharedFolder() {
  const char* shared = std::getenv("TINYAI_SHARED");
  return shared != nullptr ? shared : SourceFolder() + "/../shared";
}

}  // namespace tinyai
