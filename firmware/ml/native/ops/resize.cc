// RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of pictures, [batch, height, width, channels]. Where each row and column
// comes from is computed at load, in TFLite's arithmetic: float32, but for bilinear int8, which counts in 1024ths of a
// pixel.
#include <cmath>
#include <cstring>

#include "ml/native/ops/checks.h"
#include "ml/native/ops/ops.h"

namespace edged::ml::native {
namespace {

struct Options {
  bool align_corners;
  bool half_pixel_centers;
};

// One row or column of the output: the pixels before and behind where it comes from, and how far that is from `before`,
// in pixels or (bilinear int8) 1024ths of one.
template <typename Part>
struct Place {
  int32_t before;
  int32_t behind;
  Part part;
};

template <typename Part>
struct Params {
  int32_t batches;
  int32_t height;  // of the input
  int32_t width;
  int32_t channels;
  int32_t rows;  // of the output
  int32_t columns;
  uint32_t element;  // bytes
  Place<Part>* row;
  Place<Part>* column;
};

Status nearest(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params<float>>();
  const auto pixel = static_cast<size_t>(p.channels) * p.element;
  const auto* from = evaluation.input<uint8_t>(0);
  auto* to = evaluation.output<uint8_t>(0);
  const size_t line = pixel * static_cast<size_t>(p.width);
  for (int32_t batch = 0; batch < p.batches; ++batch, from += line * static_cast<size_t>(p.height)) {
    for (int32_t y = 0; y < p.rows; ++y) {
      const uint8_t* row = from + line * static_cast<size_t>(p.row[y].before);
      for (int32_t x = 0; x < p.columns; ++x, to += pixel) {
        std::memcpy(to, row + pixel * static_cast<size_t>(p.column[x].before), pixel);
      }
    }
  }
  return Status::kOk;
}

float mix(float top_left, float bottom_left, float top_right, float bottom_right, float down, float right) {
  return top_left * (1 - down) * (1 - right) + bottom_left * down * (1 - right) + top_right * (1 - down) * right +
         bottom_right * down * right;
}

int8_t mix(int8_t top_left, int8_t bottom_left, int8_t top_right, int8_t bottom_right, int32_t down, int32_t right) {
  constexpr int32_t kOne = 1024;
  // Parts are in [-512, 1023]: what is added stays below 2^29.
  const int32_t sum = top_left * (kOne - down) * (kOne - right) + bottom_left * down * (kOne - right) +
                      top_right * (kOne - down) * right + bottom_right * down * right;
  constexpr int32_t kHalf = kOne * kOne / 2;
  return static_cast<int8_t>((sum + (sum > 0 ? kHalf : -kHalf)) / (kOne * kOne));
}

template <typename T, typename Part>
Status bilinear(const Evaluation& evaluation) {
  const auto& p = evaluation.params<Params<Part>>();
  const auto* from = evaluation.input<T>(0);
  auto* to = evaluation.output<T>(0);
  const int32_t line = p.width * p.channels;
  for (int32_t batch = 0; batch < p.batches; ++batch, from += line * p.height) {
    for (int32_t y = 0; y < p.rows; ++y) {
      const Place<Part> row = p.row[y];
      const T* top = from + line * row.before;
      const T* bottom = from + line * row.behind;
      for (int32_t x = 0; x < p.columns; ++x) {
        const Place<Part> column = p.column[x];
        const int32_t left = column.before * p.channels;
        const int32_t right = column.behind * p.channels;
        for (int32_t c = 0; c < p.channels; ++c) {
          *to++ = mix(top[left + c], bottom[left + c], top[right + c], bottom[right + c], row.part, column.part);
        }
      }
    }
  }
  return Status::kOk;
}

float ratio(int32_t from, int32_t to, Options options) {
  if (options.align_corners && to > 1) return static_cast<float>(from - 1) / static_cast<float>(to - 1);
  return static_cast<float>(from) / static_cast<float>(to);
}

bool place_nearest(int32_t i, int32_t from, int32_t to, Options options, Place<float>& place) {
  const float at = (static_cast<float>(i) + (options.half_pixel_centers ? 0.5f : 0.0f)) * ratio(from, to, options);
  const auto nearest = static_cast<int32_t>(options.align_corners ? std::round(at) : std::floor(at));
  const int32_t within = nearest < from - 1 ? nearest : from - 1;
  place = {within, within, 0.0f};
  return true;
}

bool place_bilinear(int32_t i, int32_t from, int32_t to, Options options, Place<float>& place) {
  const float scale = ratio(from, to, options);
  const auto index = static_cast<float>(i);
  const float at = options.half_pixel_centers ? (index + 0.5f) * scale - 0.5f : index * scale;
  const auto floor = static_cast<int32_t>(std::floor(at));
  const auto ceiling = static_cast<int32_t>(std::ceil(at));
  place.before = floor > 0 ? floor : 0;
  place.behind = ceiling < from - 1 ? ceiling : from - 1;
  place.part = at - static_cast<float>(place.before);
  return place.before < from;
}

bool place_bilinear(int32_t i, int32_t from, int32_t to, Options options, Place<int32_t>& place) {
  const bool align = options.align_corners && to > 1;
  const int32_t ways = align ? from - 1 : from;
  const int32_t steps = align ? to - 1 : to;
  const int64_t scale = (int64_t{1024} * ways + steps / 2) / steps;
  const int64_t at = i * scale + (options.half_pixel_centers ? scale / 2 - 512 : 0);
  const int64_t before = at / 1024 > 0 ? at / 1024 : 0;
  const int64_t behind = (at + 1023) / 1024;
  place.before = static_cast<int32_t>(before);
  place.behind = static_cast<int32_t>(behind < from - 1 ? behind : from - 1);
  place.part = static_cast<int32_t>(at - 1024 * before);
  return before < from;  // the scale is rounded up: a large output may lead beyond the input, and there TFLM reads
}

template <typename Part, typename PlaceOne>
Status prepare_places(Prepare& prepare, Options options, Evaluate evaluate, const PlaceOne& place_one) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo to = prepare.output(0);
  auto* params = prepare.persistent<Params<Part>>();
  const int32_t rows = to.dims[1];
  const int32_t columns = to.dims[2];
  auto* row = prepare.persistent<Place<Part>>(static_cast<uint32_t>(rows));
  auto* column = prepare.persistent<Place<Part>>(static_cast<uint32_t>(columns));
  if (params == nullptr || row == nullptr || column == nullptr) return prepare.no_memory();
  *params = {from.dims[0], from.dims[1], from.dims[2], from.dims[3], rows, columns, element_size(from.type),
             row,          column};
  bool inside = true;
  for (int32_t y = 0; y < rows; ++y) inside = place_one(y, from.dims[1], rows, options, row[y]) && inside;
  for (int32_t x = 0; x < columns; ++x) inside = place_one(x, from.dims[2], columns, options, column[x]) && inside;
  if (!inside) return prepare.refuse("the output is too large for the input");
  return prepare.evaluate_by(evaluate, params);
}

Status check(Prepare& prepare) {
  const TensorInfo from = prepare.input(0);
  const TensorInfo size = prepare.input(1);
  const TensorInfo to = prepare.output(0);
  if (from.rank != 4 || to.rank != 4) return prepare.refuse("not a picture of 4 dimensions");
  if (!same_meaning(from, to)) return prepare.refuse(kNotSameMeaning);
  if (!constant_int32s(size, 2)) return prepare.refuse("the new height and width are not constants");
  if (to.dims[0] != from.dims[0] || to.dims[3] != from.dims[3] || to.dims[1] != constant_int32(size, 0) ||
      to.dims[2] != constant_int32(size, 1)) {
    return prepare.refuse("the output does not have the new height and width", Status::kMalformed);
  }
  return Status::kOk;
}

Status prepare_nearest(Prepare& prepare) {
  if (const Status status = check(prepare); !ok(status)) return status;
  const Type type = prepare.input(0).type;
  if (type != Type::kInt8 && type != Type::kInt16 && type != Type::kFloat32) {
    return prepare.refuse(kNoneOfThreeTypes);
  }
  const Table& table = prepare.options();
  const Options options = {table.scalar<bool>(0, false), table.scalar<bool>(1, false)};
  return prepare_places<float>(prepare, options, nearest, place_nearest);
}

Status prepare_bilinear(Prepare& prepare) {
  if (const Status status = check(prepare); !ok(status)) return status;
  const Table& table = prepare.options();
  const Options options = {table.scalar<bool>(2, false), table.scalar<bool>(3, false)};
  if (options.align_corners && options.half_pixel_centers) {
    return prepare.refuse("both align_corners and half_pixel_centers");
  }
  const auto place = [](int32_t i, int32_t from, int32_t to, Options how, auto& into) {
    return place_bilinear(i, from, to, how, into);
  };
  prepare.work(uint64_t{prepare.output(0).elements} * 16);
  switch (prepare.input(0).type) {
    case Type::kInt8:
      return prepare_places<int32_t>(prepare, options, bilinear<int8_t, int32_t>, place);
    case Type::kFloat32:
      return prepare_places<float>(prepare, options, bilinear<float, float>, place);
    default:
      return prepare.refuse("the type is not int8 or float32");
  }
}

}  // namespace

constexpr uint8_t kResizeBilinearOptions = 15;
constexpr uint8_t kResizeNearestOptions = 74;
const Operator kResizeBilinear = {OpCode::kResizeBilinear, kResizeBilinearOptions, 2, 2, 1, 1, prepare_bilinear};
const Operator kResizeNearestNeighbor = {
    OpCode::kResizeNearestNeighbor, kResizeNearestOptions, 2, 2, 1, 1, prepare_nearest};

}  // namespace edged::ml::native
