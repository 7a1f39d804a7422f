#include "ml/tflm/check.h"

#include <limits>

#include "tensorflow/lite/micro/memory_helpers.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "tensorflow/lite/schema/schema_utils.h"

namespace edged::ml::tflm {
namespace {

constexpr uint32_t kSchemaVersion = 3;         // the only one that there ever was in .tflite files
constexpr uint64_t kMaxTensorBytes = 1 << 26;  // beyond any microcontroller's memory; keeps sums within 32 bits
constexpr int32_t kLeftOut = -1;               // an operand that is optional and not there

using Indices = flatbuffers::Vector<int32_t>;

class Checker {
 public:
  Checker(MutableBytes scratch, const tflite::MicroOpResolver& resolver, Diagnosis& diagnosis)
      : known_(scratch), resolver_(resolver), diagnosis_(diagnosis) {}

  Checked check(Bytes bytes) {
    if (!open(bytes)) return {};
    for (const tflite::SubGraph* graph : *model_->subgraphs()) {
      if (!check_graph(*graph)) return {};
    }
    return {model_, variables_};
  }

 private:
  bool refuse(Status status, const char* what) {
    diagnosis_.status = status;
    diagnosis_.what = what;
    return false;
  }

  bool open(Bytes bytes) {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % kModelAlignment != 0) {
      return refuse(Status::kMalformed, "the model does not lie at a multiple of 16 in memory");
    }
    if (bytes.size() < 8) return refuse(Status::kTruncated, "too short to be a .tflite");
    if (!tflite::ModelBufferHasIdentifier(bytes.data())) {
      return refuse(Status::kMalformed, "not a .tflite: the identifier TFL3 is missing");
    }
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    if (!tflite::VerifyModelBuffer(verifier)) return refuse(Status::kMalformed, "an offset leads out of the file");
    model_ = tflite::GetModel(bytes.data());
    if (model_->version() != kSchemaVersion) {
      return refuse(Status::kUnsupported, "the version of the schema is not 3");
    }
    if (model_->subgraphs() == nullptr || model_->subgraphs()->size() == 0 || model_->operator_codes() == nullptr ||
        model_->buffers() == nullptr) {
      return refuse(Status::kMalformed, "a list that every model has is missing");
    }
    return true;
  }

  bool check_graph(const tflite::SubGraph& graph) {
    if (graph.tensors() == nullptr || graph.operators() == nullptr || graph.inputs() == nullptr ||
        graph.outputs() == nullptr) {
      return refuse(Status::kMalformed, "a list that every graph has is missing");
    }
    if (graph.tensors()->size() > known_.size()) return refuse(Status::kTooLarge, "the arena is too small");
    for (uint32_t i = 0; i < graph.tensors()->size(); ++i) {
      if (!check_tensor(*graph.tensors()->Get(i), known_[i])) return false;
    }
    if (!check_ends(*graph.inputs(), graph) || !check_ends(*graph.outputs(), graph)) return false;
    mark(*graph.inputs());
    for (uint32_t i = 0; i < graph.operators()->size(); ++i) {
      diagnosis_.op_index = static_cast<int32_t>(i);
      if (!check_operator(*graph.operators()->Get(i), graph)) return false;
    }
    diagnosis_.op_index = diagnosis_.op_code = -1;
    for (const int32_t output : *graph.outputs()) {
      if (!known(output)) return refuse(Status::kMalformed, "an output is never written");
    }
    return true;
  }

  // Whether the tensor has a value before anything ran: a constant has one, and one that keeps a state.
  bool check_tensor(const tflite::Tensor& tensor, uint8_t& has_value) {
    const uint32_t buffer = tensor.buffer();
    if (buffer >= model_->buffers()->size()) return refuse(Status::kOutOfRange, "a tensor's buffer is not there");
    uint64_t items = 1;
    if (tensor.shape() != nullptr) {
      if (tensor.shape()->size() > kMaxRank) return refuse(Status::kTooLarge, "a tensor has more than 6 dimensions");
      for (const int32_t dimension : *tensor.shape()) {
        if (dimension < 0) return refuse(Status::kUnsupported, "a dimension of a tensor is below zero");
        items *= static_cast<uint64_t>(dimension);
        if (items > kMaxTensorBytes) return refuse(Status::kTooLarge, "a tensor is larger than 64 MB");
      }
    }
    const flatbuffers::Vector<uint8_t>* data = model_->buffers()->Get(buffer)->data();
    const bool constant = data != nullptr && data->size() > 0;
    size_t bytes = 0;
    size_t item_bytes = 0;
    if (constant &&
        (tflite::BytesRequiredForTensor(tensor, &bytes, &item_bytes) != kTfLiteOk || data->size() < bytes)) {
      return refuse(Status::kMalformed, "a constant does not have the bytes of its shape");
    }
    has_value = constant || tensor.is_variable() ? 1 : 0;
    return check_quantisation(tensor);
  }

  // TFLM's operators read a scale for each channel without counting them.
  bool check_quantisation(const tflite::Tensor& tensor) {
    const tflite::QuantizationParameters* quantisation = tensor.quantization();
    if (quantisation == nullptr || quantisation->scale() == nullptr || quantisation->scale()->size() == 0) return true;
    const uint32_t scales = quantisation->scale()->size();
    if (quantisation->zero_point() == nullptr || quantisation->zero_point()->size() != scales) {
      return refuse(Status::kMalformed, "a tensor does not have as many zero points as scales");
    }
    if (scales > 1 &&
        (!has_dimension(tensor, scales) || names_no_dimension(tensor, quantisation->quantized_dimension()))) {
      return refuse(Status::kMalformed, "a tensor does not have one scale for each of its channels");
    }
    for (const float scale : *quantisation->scale()) {
      if (!(scale > 0) || scale > std::numeric_limits<float>::max()) {
        return refuse(Status::kMalformed, "a scale is not above zero");
      }
    }
    return true;
  }

  [[nodiscard]] static bool has_dimension(const tflite::Tensor& tensor, uint32_t size) {
    if (tensor.shape() == nullptr) return false;
    for (const int32_t dimension : *tensor.shape()) {
      if (static_cast<uint32_t>(dimension) == size) return true;
    }
    return false;
  }

  // Converters have named a wrong dimension, and for a bias one that it does not have; of others TFLM reads its size.
  [[nodiscard]] static bool names_no_dimension(const tflite::Tensor& tensor, int32_t named) {
    const uint32_t rank = tensor.shape()->size();
    return rank > 1 && (named < 0 || static_cast<uint32_t>(named) >= rank);
  }

  bool check_ends(const Indices& ends, const tflite::SubGraph& graph) {
    for (const int32_t index : ends) {
      if (!exists(index, graph)) return refuse(Status::kOutOfRange, "the graph names a tensor that is not there");
    }
    return true;
  }

  bool check_operator(const tflite::Operator& op, const tflite::SubGraph& graph) {
    if (op.opcode_index() >= model_->operator_codes()->size()) {
      return refuse(Status::kOutOfRange, "the operator's code is not in the list");
    }
    const tflite::OperatorCode& code = *model_->operator_codes()->Get(op.opcode_index());
    const tflite::BuiltinOperator builtin = tflite::GetBuiltinCode(&code);
    diagnosis_.op_code = static_cast<int32_t>(builtin);
    if (!supported(code, builtin)) {
      const flatbuffers::String* name = code.custom_code();
      if (builtin == tflite::BuiltinOperator_CUSTOM && name != nullptr) {
        diagnosis_.custom = {name->Data(), name->size()};
      }
      return refuse(Status::kUnsupported, "operator is not supported");
    }
    if (builtin == tflite::BuiltinOperator_VAR_HANDLE) ++variables_;
    if (op.inputs() == nullptr || op.outputs() == nullptr) {
      return refuse(Status::kMalformed, "the operator has no list of operands");
    }
    for (const int32_t input : *op.inputs()) {
      if (input == kLeftOut) continue;
      if (!exists(input, graph)) return refuse(Status::kOutOfRange, "names a tensor that is not there");
      if (!known(input)) return refuse(Status::kMalformed, "reads a tensor before it is written");
    }
    for (const Indices* indices : {op.outputs(), op.intermediates()}) {
      if (indices == nullptr) continue;
      for (const int32_t index : *indices) {
        if (!exists(index, graph)) return refuse(Status::kOutOfRange, "names a tensor that is not there");
      }
    }
    mark(*op.outputs());
    return true;
  }

  [[nodiscard]] bool supported(const tflite::OperatorCode& code, tflite::BuiltinOperator builtin) const {
    if (builtin != tflite::BuiltinOperator_CUSTOM) return resolver_.FindOp(builtin) != nullptr;
    return code.custom_code() != nullptr && resolver_.FindOp(code.custom_code()->c_str()) != nullptr;
  }

  [[nodiscard]] static bool exists(int32_t index, const tflite::SubGraph& graph) {
    return index >= 0 && static_cast<uint32_t>(index) < graph.tensors()->size();
  }
  [[nodiscard]] bool known(int32_t index) const { return known_[static_cast<size_t>(index)] != 0; }
  void mark(const Indices& indices) {
    for (const int32_t index : indices) known_[static_cast<size_t>(index)] = 1;
  }

  MutableBytes known_;
  const tflite::MicroOpResolver& resolver_;
  Diagnosis& diagnosis_;
  const tflite::Model* model_ = nullptr;
  uint32_t variables_ = 0;
};

}  // namespace

Checked check(Bytes model, MutableBytes scratch, const tflite::MicroOpResolver& resolver, Diagnosis& diagnosis) {
  return Checker(scratch, resolver, diagnosis).check(model);
}

}  // namespace edged::ml::tflm
