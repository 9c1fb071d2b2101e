#version 450
// The same for a GPU: each invocation counts what comes before one element.
layout(local_size_x = 64) in;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) buffer Y { float y[]; };

// Before anything else that compares with both, numbers come in order, what is no number last.
bool before(float a, float b) { return isnan(b) ? !isnan(a) : a < b; }

void main() {
  const uint i = gl_GlobalInvocationID.x;
  if (i >= x.length()) return;
  uint rank = 0;
  for (uint j = 0; j < x.length(); ++j) {
    if (before(x[j], x[i]) || (j < i && !before(x[i], x[j]))) ++rank;
  }
  y[rank] = x[i];
}
