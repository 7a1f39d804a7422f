// Walking over a tensor of any rank, the last dimension fastest.
#pragma once

#include <cstdint>

namespace edged::ml::native {

// From one place to the next: `at` counts the first `rank` of dims. move(d, times): go by so many steps of dimension d.
// false: that was the last place.
template <typename Move>
inline bool next_place(uint32_t rank, const int32_t* dims, int32_t* at, const Move& move) {
  while (rank != 0) {
    --rank;
    move(rank, 1);
    if (++at[rank] < dims[rank]) return true;
    move(rank, -dims[rank]);
    at[rank] = 0;
  }
  return false;
}

}  // namespace edged::ml::native
