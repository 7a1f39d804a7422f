// Walking over operands of any rank, the last dimension fastest.
#pragma once

#include <cstdint>

namespace edged::ml::native {

// From one place to the next: `at` counts the first `rank` of dims. move(d, times): go by so many steps of dimension d.
// false: that was the last place, and all is at the start again. Inline: a call would take longer than a row of few
// elements.
template <typename Move>
[[gnu::always_inline]] inline bool next_place(uint32_t rank, const int32_t* dims, int32_t* at, const Move& move) {
  while (rank != 0) {
    --rank;
    const bool begins_anew = ++at[rank] == dims[rank];
    if (begins_anew) at[rank] = 0;
    move(rank, begins_anew ? 1 - dims[rank] : 1);
    if (!begins_anew) return true;
  }
  return false;
}

}  // namespace edged::ml::native
