// For cores with MVE: four channels in a vector of int32.
#include <type_traits>

#include "ml/native/ops/depthwise.h"
#include "ml/native/ops/finish_mve.h"

namespace edged::ml::native {
namespace {

constexpr uint32_t kLanes = 4;

template <bool kWhole>
inline int32x4_t load(const int8_t* from, mve_pred16_t valid) {
  return kWhole ? vldrbq_s32(from) : vldrbq_z_s32(from, valid);
}

// Each channel has its own value of the input.
template <bool kWhole>
inline int32x4_t own_values(const Depthwise& d, const int8_t* const* pixels, uint32_t channel, mve_pred16_t valid) {
  int32x4_t sums = vdupq_n_s32(0);
  const int8_t* w = d.weights + channel;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += d.outputs) {
    const int32x4_t values = load<kWhole>(*pixels++ + channel, valid);
    sums = vaddq_s32(sums, vmulq_s32(values, load<kWhole>(w, valid)));
  }
  return sums;
}

// All channels have the same: they are output channels of one input channel.
template <bool kWhole>
inline int32x4_t one_value(const Depthwise& d, const int8_t* const* pixels, uint32_t input, uint32_t channel,
                           mve_pred16_t valid) {
  int32x4_t sums = vdupq_n_s32(0);
  const int8_t* w = d.weights + channel;
  for (const int8_t* const* end = pixels + d.taps; pixels != end; w += d.outputs) {
    sums = vmlaq_n_s32(sums, load<kWhole>(w, valid), (*pixels++)[input]);
  }
  return sums;
}

// Calls sums_of<whole>(channel, valid) for all channels of [first, end), four at a time.
template <typename SumsOf>
inline void each_four(const Depthwise& d, uint32_t first, uint32_t end, int8_t* to, SumsOf sums_of) {
  uint32_t channel = first;
  for (; channel + kLanes <= end; channel += kLanes) {
    finish_four(d.channels, sums_of(std::true_type(), channel, mve_pred16_t{0}), channel, kLanes, to);
  }
  if (channel < end) {
    const uint32_t count = end - channel;
    finish_four(d.channels, sums_of(std::false_type(), channel, vctp32q(count)), channel, count, to);
  }
}

}  // namespace

void multiply_taps(const Depthwise& of, const int8_t* const* pixels, int8_t* to) {
  const Depthwise d =
      of;  // a copy: what is stored through `to` might change the caller's, as far as the compiler knows
  if (d.multiplier == 1) {
    each_four(d, 0, d.outputs, to, [&](auto whole, uint32_t channel, mve_pred16_t valid) {
      return own_values<decltype(whole)::value>(d, pixels, channel, valid);
    });
    return;
  }
  for (uint32_t input = 0, first = 0; first < d.outputs; ++input, first += d.multiplier) {
    each_four(d, first, first + d.multiplier, to, [&](auto whole, uint32_t channel, mve_pred16_t valid) {
      return one_value<decltype(whole)::value>(d, pixels, input, channel, valid);
    });
  }
}

}  // namespace edged::ml::native
