#include "ml/native/quantize.h"

#include <cmath>
#include <limits>

namespace edged::ml::native {

Multiplier quantize_multiplier(double value) {
  if (!(value > 0.0)) return {0, 0};
  int exponent = 0;
  auto fraction = static_cast<int64_t>(std::round(std::frexp(value, &exponent) * 2147483648.0));
  if (fraction == int64_t{1} << 31) {
    fraction /= 2;
    ++exponent;
  }
  if (exponent < -31) return {0, 0};
  return {static_cast<int32_t>(fraction), exponent};
}

bool activation_range(Activation activation, Type type, float scale, int32_t zero_point, Range& range) {
  switch (type) {
    case Type::kInt8:
      range = kRangeOf<int8_t>;
      break;
    case Type::kUint8:
      range = kRangeOf<uint8_t>;
      break;
    case Type::kInt16:
      range = kRangeOf<int16_t>;
      break;
    default:
      return false;
  }
  // The quotient may be beyond int32 where a scale is tiny: cut off there, which no clamp notices.
  const auto quantized = [scale, zero_point](float real) {
    const float steps = std::round(real / scale);
    constexpr float kFar = 1e9f;
    return zero_point + static_cast<int32_t>(steps > kFar ? kFar : (steps < -kFar ? -kFar : steps));
  };
  const auto limit = [&range](int32_t low, int32_t high) {
    if (low > range.low) range.low = low;
    if (high < range.high) range.high = high;
  };
  switch (activation) {
    case Activation::kNone:
      return true;
    case Activation::kRelu:
      limit(quantized(0.0f), range.high);
      return true;
    case Activation::kReluN1To1:
      limit(quantized(-1.0f), quantized(1.0f));
      return true;
    case Activation::kRelu6:
      limit(quantized(0.0f), quantized(6.0f));
      return true;
  }
  return false;
}

bool activation_range(Activation activation, FloatRange& range) {
  constexpr float kMax = std::numeric_limits<float>::max();
  switch (activation) {
    case Activation::kNone:
      range = {-kMax, kMax};
      return true;
    case Activation::kRelu:
      range = {0.0f, kMax};
      return true;
    case Activation::kReluN1To1:
      range = {-1.0f, 1.0f};
      return true;
    case Activation::kRelu6:
      range = {0.0f, 6.0f};
      return true;
  }
  return false;
}

}  // namespace edged::ml::native
