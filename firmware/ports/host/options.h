// The command line of edged-mcu.
#pragma once

#include <cstdint>

namespace edged::host {

struct Options {
  const char* flash = nullptr;  // file
  const char* link = nullptr;   // symbolic link to the terminal, or nullptr for none
  uint32_t baud = 0;            // bits a second of the line; 0: as fast as it goes
  uint64_t cut_at = 0;          // the power goes at this operation of flash since it came; 0: it stays
  bool torn = false;            // in the midst of it
  int line = -1;                // inherited: the terminal
  int retained = -1;            // inherited: the memory that a reset leaves alone
};

// Says what is wrong and ends the program if anything is.
[[nodiscard]] Options read_options(int count, char** arguments);

}  // namespace edged::host
