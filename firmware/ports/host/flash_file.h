// A file as the memory of flash: what was programmed outlives the program, however it ends.
#pragma once

#include "core/span.h"

namespace edged::host {

// Maps `size` bytes of the file, which is made as erased flash if it is absent. Ends the program if it cannot, if the
// file has another size, or if another program holds it.
[[nodiscard]] MutableBytes map_flash_file(const char* path, size_t size);

}  // namespace edged::host
