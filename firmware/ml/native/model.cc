#include "ml/native/model.h"

#include <bitset>
#include <cmath>

namespace edged::ml::native {
namespace {

constexpr const char* kBroken = "the file is damaged: an offset leads out of it";

// Whether a model has data for a tensor: the order check treats it as written before the first operator.
bool has_data(const Tables& buffers, uint32_t buffer) {
  return buffer < buffers.size() && buffers[buffer].vector<uint8_t>(field::buffer::kData).size() != 0;
}

bool zero_point_fits(Type type, int64_t value) {
  switch (type) {
    case Type::kInt8:
      return value >= -128 && value <= 127;
    case Type::kUint8:
      return value >= 0 && value <= 255;
    case Type::kInt16:
      return value >= -32768 && value <= 32767;
    default:
      return value == 0;
  }
}

}  // namespace

uint32_t element_size(Type type) {
  switch (type) {
    case Type::kInt8:
    case Type::kUint8:
    case Type::kBool:
      return 1;
    case Type::kInt16:
      return 2;
    case Type::kInt32:
    case Type::kFloat32:
      return 4;
    case Type::kInt64:
      return 8;
  }
  return 0;
}

Status Model::open(Bytes bytes, Diagnosis& diagnosis) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kModelAlignment != 0) {
    return refuse(diagnosis, Status::kMalformed, "the model does not lie at a multiple of 16 in memory");
  }
  if (bytes.size() > kMaxModelBytes) return refuse(diagnosis, Status::kTooLarge, "the model is larger than 256 MB");
  if (bytes.size() < 8) return refuse(diagnosis, Status::kTruncated, "too short to be a .tflite");
  if (std::memcmp(bytes.data() + 4, kIdentifier, 4) != 0) {
    return refuse(diagnosis, Status::kMalformed, "not a .tflite: the identifier TFL3 is missing");
  }
  source_.bytes = bytes;
  source_.broken = false;
  const uint32_t root = source_.follow(0);
  const Table model = root == 0 ? Table() : Table(source_, root);
  if (!model.present()) return refuse(diagnosis, Status::kMalformed, kBroken);
  if (model.scalar<uint32_t>(field::model::kVersion, 0) != kSchemaVersion) {
    return refuse(diagnosis, Status::kUnsupported, "the version of the schema is not 3");
  }
  codes_ = model.tables(field::model::kOperatorCodes);
  buffers_ = model.tables(field::model::kBuffers);
  const Tables subgraphs = model.tables(field::model::kSubgraphs);
  if (source_.broken) return refuse(diagnosis, Status::kMalformed, kBroken);
  if (subgraphs.size() != 1) return refuse(diagnosis, Status::kUnsupported, "the model does not have one subgraph");
  const Table graph = subgraphs[0];
  tensors_ = graph.tables(field::subgraph::kTensors);
  operations_ = graph.tables(field::subgraph::kOperators);
  inputs_ = graph.vector<int32_t>(field::subgraph::kInputs);
  outputs_ = graph.vector<int32_t>(field::subgraph::kOutputs);
  if (source_.broken) return refuse(diagnosis, Status::kMalformed, kBroken);
  return open_graph(diagnosis);
}

Status Model::open_graph(Diagnosis& diagnosis) {
  if (tensors_.size() > kMaxTensors) return refuse(diagnosis, Status::kTooLarge, "more than 1024 tensors");
  if (operations_.size() > kMaxOperators) return refuse(diagnosis, Status::kTooLarge, "more than 512 operators");
  if (buffers_.size() > kMaxBuffers) return refuse(diagnosis, Status::kTooLarge, "more than 2048 buffers");
  if (codes_.size() > kMaxOperatorCodes) return refuse(diagnosis, Status::kTooLarge, "more than 128 operator codes");
  if (operations_.size() == 0) return refuse(diagnosis, Status::kMalformed, "no operators");
  if (inputs_.size() == 0 || inputs_.size() > kMaxOperands || outputs_.size() == 0 || outputs_.size() > kMaxOperands) {
    return refuse(diagnosis, Status::kUnsupported, "the graph has no inputs or outputs, or more than 32");
  }
  if (!ok(check_operands(diagnosis))) return diagnosis.status;
  return check_order(diagnosis);
}

Status Model::check_operands(Diagnosis& diagnosis) const {
  const auto within = [this](const Vector<int32_t>& indices, int32_t lowest) {
    for (uint32_t i = 0; i < indices.size(); ++i) {
      if (indices[i] < lowest || indices[i] >= static_cast<int32_t>(tensors_.size())) return false;
    }
    return true;
  };
  if (!within(inputs_, 0) || !within(outputs_, 0)) {
    return refuse(diagnosis, Status::kOutOfRange, "the graph names a tensor that is not there");
  }
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    diagnosis.op_index = static_cast<int32_t>(i);
    const Table table = operations_[i];
    const uint32_t code = table.scalar<uint32_t>(field::operation::kOpcodeIndex, 0);
    if (code >= codes_.size()) return refuse(diagnosis, Status::kOutOfRange, "the operator's code is not in the list");
    const Operation operation = this->operation(i);
    diagnosis.op_code = static_cast<int32_t>(operation.code);
    if (source_.broken) return refuse(diagnosis, Status::kMalformed, kBroken);
    if (operation.inputs.size() > kMaxOperands || operation.outputs.size() > kMaxOperands) {
      return refuse(diagnosis, Status::kTooLarge, "more than 32 operands");
    }
    if (!within(operation.inputs, -1) || !within(operation.outputs, 0)) {
      return refuse(diagnosis, Status::kOutOfRange, "names a tensor that is not there");
    }
  }
  diagnosis.op_index = diagnosis.op_code = -1;
  return Status::kOk;
}

// An operator reads what an earlier one wrote, or a constant, or an input of the graph; each tensor is written once.
Status Model::check_order(Diagnosis& diagnosis) const {
  std::bitset<kMaxTensors> written;
  std::bitset<kMaxTensors> states;  // of one operator each: who reads one first has it for itself
  for (uint32_t i = 0; i < tensors_.size(); ++i) {
    const Table table = tensors_[i];
    states[i] = table.scalar<bool>(field::tensor::kIsVariable, false);
    written[i] = states[i] || has_data(buffers_, table.scalar<uint32_t>(field::tensor::kBuffer, 0));
  }
  if (source_.broken) return refuse(diagnosis, Status::kMalformed, kBroken);
  for (uint32_t i = 0; i < inputs_.size(); ++i) {
    const auto tensor = static_cast<size_t>(inputs_[i]);
    if (written[tensor])
      return refuse(diagnosis, Status::kMalformed, "an input is a constant or a state, or named twice");
    written[tensor] = true;
  }
  const auto make_written = [&written, &states](const Vector<int32_t>& outputs) {
    for (uint32_t k = 0; k < outputs.size(); ++k) {
      const auto tensor = static_cast<size_t>(outputs[k]);
      if (written[tensor] || states[tensor]) return false;
      written[tensor] = true;
    }
    return true;
  };
  for (uint32_t i = 0; i < operations_.size(); ++i) {
    const Operation operation = this->operation(i);
    diagnosis.op_index = static_cast<int32_t>(i);
    diagnosis.op_code = static_cast<int32_t>(operation.code);
    for (uint32_t k = 0; k < operation.inputs.size(); ++k) {
      if (operation.inputs[k] < 0) continue;
      const auto tensor = static_cast<size_t>(operation.inputs[k]);
      if (!written[tensor]) {
        return refuse(diagnosis, Status::kMalformed, "reads a tensor before it is written, or the state of another");
      }
      if (states[tensor]) written[tensor] = false;
    }
    if (!make_written(operation.outputs)) {
      return refuse(diagnosis, Status::kMalformed, "writes a tensor that has its value already");
    }
  }
  diagnosis.op_index = diagnosis.op_code = -1;
  for (uint32_t i = 0; i < outputs_.size(); ++i) {
    if (!written[static_cast<size_t>(outputs_[i])]) {
      return refuse(diagnosis, Status::kMalformed, "an output is never written");
    }
  }
  return Status::kOk;
}

Operation Model::operation(uint32_t index) const {
  const Table table = operations_[index];
  const Table code = codes_[table.scalar<uint32_t>(field::operation::kOpcodeIndex, 0)];
  Operation operation;
  const int32_t short_code = code.scalar<int8_t>(field::operator_code::kShortCode, 0);
  const int32_t full_code = code.scalar<int32_t>(field::operator_code::kCode, 0);
  operation.code = static_cast<OpCode>(short_code > full_code ? short_code : full_code);
  operation.options_type = table.scalar<uint8_t>(field::operation::kOptionsType, 0);
  operation.options = table.table(field::operation::kOptions);
  operation.inputs = table.vector<int32_t>(field::operation::kInputs);
  operation.outputs = table.vector<int32_t>(field::operation::kOutputs);
  return operation;
}

Bytes Model::custom_name(uint32_t index) const {
  if (static_cast<int32_t>(operation(index).code) != kCustomCode) return {};
  const Table code = codes_[operations_[index].scalar<uint32_t>(field::operation::kOpcodeIndex, 0)];
  const Vector<uint8_t> name = code.vector<uint8_t>(field::operator_code::kCustomName);
  return {name.data(), name.size()};
}

Status Model::tensor(int32_t index, TensorInfo& into, Diagnosis& diagnosis) const {
  into = TensorInfo{};
  const Table table = tensors_[static_cast<uint32_t>(index)];
  into.index = index;
  into.type = static_cast<Type>(table.scalar<uint8_t>(field::tensor::kType, 0));
  if (element_size(into.type) == 0)
    return refuse(diagnosis, Status::kUnsupported, "the tensor's type is not supported");
  if (table.has(field::tensor::kSparsity))
    return refuse(diagnosis, Status::kUnsupported, "sparse tensors are not supported");
  if (!ok(read_shape(table, into, diagnosis)) || !ok(read_quantization(table, into, diagnosis)) ||
      !ok(read_constant(table, into, diagnosis))) {
    return diagnosis.status;
  }
  into.variable = table.scalar<bool>(field::tensor::kIsVariable, false);
  if (into.variable && into.constant != nullptr) {
    return refuse(diagnosis, Status::kUnsupported, "a tensor that keeps a state begins with values of the file");
  }
  return source_.broken ? refuse(diagnosis, Status::kMalformed, kBroken) : Status::kOk;
}

Status Model::read_shape(const Table& table, TensorInfo& into, Diagnosis& diagnosis) const {
  const Vector<int32_t> shape = table.vector<int32_t>(field::tensor::kShape);
  if (shape.size() > kMaxRank) return refuse(diagnosis, Status::kTooLarge, "a tensor has more than 6 dimensions");
  into.rank = shape.size();
  uint64_t bytes = element_size(into.type);
  for (uint32_t i = 0; i < into.rank; ++i) {
    into.dims[i] = shape[i];
    if (into.dims[i] <= 0) return refuse(diagnosis, Status::kUnsupported, "a dimension of a tensor is not above zero");
    bytes *= static_cast<uint64_t>(into.dims[i]);  // below 2^26 before, so below 2^57
    if (bytes > kMaxTensorBytes) return refuse(diagnosis, Status::kTooLarge, "a tensor is larger than 64 MB");
  }
  into.bytes = static_cast<uint32_t>(bytes);
  into.elements = into.bytes / element_size(into.type);
  return Status::kOk;
}

Status Model::read_quantization(const Table& table, TensorInfo& into, Diagnosis& diagnosis) const {
  const Table quantization = table.table(field::tensor::kQuantization);
  into.scales = quantization.vector<float>(field::quantization::kScale);
  into.zero_points = quantization.vector<int64_t>(field::quantization::kZeroPoint);
  if (quantization.scalar<uint8_t>(field::quantization::kDetailsType, 0) != 0) {
    return refuse(diagnosis, Status::kUnsupported, "quantisation by custom details is not supported");
  }
  if (into.scales.size() == 0) {
    into.zero_points = {};
    return Status::kOk;
  }
  if (into.zero_points.size() != 0 && into.zero_points.size() != into.scales.size()) {
    return refuse(diagnosis, Status::kMalformed, "a tensor does not have as many zero points as scales");
  }
  // A bias says which dimension of the weights its scales are of, not which of its own.
  if (into.scales.size() > 1 && into.type != Type::kInt32) {
    const int32_t dimension = quantization.scalar<int32_t>(field::quantization::kDimension, 0);
    if (dimension < 0 || dimension >= static_cast<int32_t>(into.rank) || into.scales.size() > kMaxChannels ||
        into.scales.size() != static_cast<uint32_t>(into.dims[dimension])) {
      return refuse(diagnosis, Status::kMalformed, "a tensor does not have one scale for each of its channels");
    }
    into.quantized_dimension = static_cast<uint32_t>(dimension);
  }
  for (uint32_t i = 0; i < into.scales.size(); ++i) {
    const float scale = into.scales[i];
    if (!std::isfinite(scale) || scale <= 0.0f)
      return refuse(diagnosis, Status::kMalformed, "a scale is not above zero");
    if (into.zero_points.size() != 0 && !zero_point_fits(into.type, into.zero_points[i])) {
      return refuse(diagnosis, Status::kMalformed, "a zero point does not fit its tensor's type");
    }
  }
  return Status::kOk;
}

Status Model::read_constant(const Table& table, TensorInfo& into, Diagnosis& diagnosis) const {
  const uint32_t index = table.scalar<uint32_t>(field::tensor::kBuffer, 0);
  if (table.scalar<uint32_t>(field::tensor::kExternalBuffer, 0) != 0) {
    return refuse(diagnosis, Status::kUnsupported, "weights outside of the file are not supported");
  }
  if (index == 0 && buffers_.size() == 0) return Status::kOk;
  if (index >= buffers_.size()) return refuse(diagnosis, Status::kOutOfRange, "a tensor's buffer is not there");
  const Table buffer = buffers_[index];
  if (buffer.scalar<uint64_t>(field::buffer::kOffset, 0) > 1) {  // 1 stands for "none" in files of some writers
    return refuse(diagnosis, Status::kUnsupported, "weights behind the flatbuffer are not supported");
  }
  const Vector<uint8_t> data = buffer.vector<uint8_t>(field::buffer::kData);
  if (data.size() == 0) return Status::kOk;
  if (data.size() != into.bytes) {
    return refuse(diagnosis, Status::kMalformed, "a constant does not have the bytes of its shape");
  }
  if (reinterpret_cast<uintptr_t>(data.data()) % element_size(into.type) != 0) {
    return refuse(diagnosis, Status::kMalformed, "a constant is not aligned for its type");
  }
  into.constant = data.data();
  return Status::kOk;
}

}  // namespace edged::ml::native
