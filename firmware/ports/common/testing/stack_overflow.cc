// A program that goes deeper than its stack, for the test of what happens then.
#include <cstdint>

namespace {

uint32_t deeper(const volatile uint32_t* above) {
  volatile uint32_t here[8] = {*above + 1};
  return here[0] == 0 ? 0 : deeper(here) + here[0];
}

}  // namespace

int main() {
  const volatile uint32_t top = 1;
  return static_cast<int>(deeper(&top));
}
