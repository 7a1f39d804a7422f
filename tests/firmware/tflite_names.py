"""Numbers of TFLite's schema that generated models use."""

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
ACTIVATIONS = (NONE, RELU, RELU_N1_TO_1, RELU6)
