#pragma once

// The C++ API: C++20, header-only over the C API of <tinyai/tinyai.h>. docs/api/cpp.md explains
// with examples.

#include <tinyai/cpp/budget.hpp>
#include <tinyai/cpp/graph.hpp>
#include <tinyai/cpp/layer_scheduler.hpp>
#include <tinyai/cpp/memory_optimizer.hpp>
#include <tinyai/cpp/model.hpp>
#include <tinyai/cpp/pass.hpp>
#include <tinyai/cpp/plan.hpp>
#include <tinyai/cpp/result.hpp>
#include <tinyai/cpp/sensitivity.hpp>
#include <tinyai/cpp/session.hpp>
