// How deep the stack has been: what was painted at start-up and never touched.
#pragma once

#include <cstdint>

namespace edged::ports {

void paint_stack();  // between the stack's limit and the caller's frame
[[nodiscard]] uint32_t untouched_stack();

}  // namespace edged::ports
