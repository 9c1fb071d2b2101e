#include <tinyai/tinyai.hpp>

// Instantiates what throws elsewhere.
int LayersOf(const char* path);
int LayersOf(const char* path) { return tinyai::Model::Open(path).value().layer_count(); }
