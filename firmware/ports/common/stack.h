// How deep the stack has been: what was painted at start-up and never touched. And an end to it: what goes deeper is a
// fault, since else it would write over the arena without a word.
#pragma once

#include <cstdint>

namespace edged::ports {

void paint_stack();  // between the stack's limit and the caller's frame
[[nodiscard]] uint32_t untouched_stack();
// Armv8-M has a register for it; on Armv7-M it is region 7 of the memory protection unit, over the bytes below the
// limit. A core without such a unit ignores it.
void guard_stack();
void unguard_stack();  // before another program's stack is used
// Whether what a fault pushed is not to be read, for the stack was full.
[[nodiscard]] bool overflowed(const uint32_t* frame);

}  // namespace edged::ports
