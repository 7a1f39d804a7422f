"""Troubles of models: a row for each ``ModelFault`` and what else keeps a model from being tried."""

from __future__ import annotations

from edged.daemon.doctor.troubles.trouble import Trouble

MODELS = (
    Trouble(
        "model-unreadable", "model NAME", "fail",
        "edged ends with `...tflite: cannot be read: No such file or directory`.",
        "The file is not there, or may not be read by the user that edged runs as.",
        "Correct bundle in [models.NAME], or the permissions; `edged model pull NAME` fetches one of the catalogue.",
    ),
    Trouble(
        "model-wrong-type", "model NAME", "fail",
        "edged ends with `... is no .tflite file`, or `this is not TOML`.",
        "The file is something else: a web page that was saved, an archive, another framework's model.",
        "Fetch it again, and look at it with `file`; other frameworks' models have to be converted to TFLite.",
    ),
    Trouble(
        "model-oversized", "model NAME", "fail",
        "edged ends with `...: at most ... are read`.",
        "A file of the bundle is larger than any such file for a Pi.",
        "Is it the right file?",
    ),
    Trouble(
        "model-truncated", "model NAME", "fail",
        "edged ends with `... is outside of its ... bytes`.",
        "The end of the file is missing: a download or a copy was cut off.",
        "Fetch it again.",
    ),
    Trouble(
        "model-corrupt", "model NAME", "fail",
        "edged ends with `sha256 is ..., the manifest states ...`, or `LiteRT cannot load it`.",
        "The file is damaged, or was replaced without its manifest, or was never a model that LiteRT runs.",
        "Fetch it again; after a change on purpose put the new sha256 into model.toml.",
    ),
    Trouble(
        "model-unsupported-op", "model NAME", "fail",
        "edged ends with `LiteRT cannot load it: ... unresolved custom op`.",
        "It uses an operator that LiteRT does not have: one of an accelerator, or of TensorFlow (Flex).",
        "Convert it with TFLite's own operators alone. A file for the Edge TPU goes beside its CPU variant, not in its place.",
    ),
    Trouble(
        "model-does-not-fit-memory", "model NAME", "fail",
        "edged ends with `... needs ... MB for its tensors`.",
        "This machine has not as much free memory as the model takes.",
        "Use a smaller model, or one with a smaller input; end what else takes memory.",
    ),
    Trouble(
        "model-hanging", "model NAME", "fail",
        "edged ends with `not done after 60 s`.",
        "The model never comes to an end, or is far too large for this processor.",
        "Use another model.",
    ),
    Trouble(
        "model-crashing", "model NAME", "fail",
        "edged ends with `ended its process by SIGSEGV while it was ...`.",
        "The model brings the runtime down. It was tried aside: nothing else was harmed.",
        "The file is damaged or hostile, or the runtime at fault: fetch it again, and if it is the right one, report it.",
    ),
    Trouble(
        "model-delegate", "model NAME", "fail",
        "edged ends with `XNNPACK took none of the model's operators`, or with the name of a library in custom_ops.",
        "What is to execute the model does not take it, or does not load.",
        'Leave delegate out, or set it to "auto"; correct custom_ops.',
    ),
    Trouble(
        "model-runtime-missing", "model NAME", "fail",
        "edged ends with `tflite-runtime is not installed`.",
        "The model asks for a runtime that this environment does not have.",
        "Leave runtime out; tflite-runtime needs Python 3.11 and numpy 1.26, and so an environment of its own.",
    ),
    Trouble(
        "model-undeclared", "model NAME", "fail",
        "edged ends with `the file does not say how its outputs read`.",
        "Neither the file nor a model.toml names the decoder, and edged does not guess.",
        "`edged model inspect FILE` proposes a decoder; state it in a model.toml beside the file.",
    ),
    Trouble(
        "model-not-finite", "model NAME", "fail",
        "edged ends with `output ... is not finite on a grey picture`.",
        "The model answers with what is no number (NaN): it would on frames as well.",
        "Look at how it was trained and converted: a division by zero, or weights that are not finite.",
    ),
    Trouble(
        "model-undecipherable", "model NAME", "fail",
        "edged ends with `encrypted, and no key is configured`, or `cannot be decrypted`.",
        "The bundle is encrypted, and the key that it was encrypted with is not here.",
        "Set key_file or key_credential in [models.NAME] to the key of this very bundle.",
    ),
    Trouble(
        "model-golden-differs", "model NAME", "fail",
        "edged ends with `golden.msgpack: ... is off by ... on average`.",
        "The model does not answer here what it answered where it was signed.",
        "Update the runtime; is golden.msgpack of this very model? Remove it to run the model all the same.",
    ),
    Trouble(
        "model-unfit", "model NAME", "fail",
        "edged ends with what does not fit: a shape, a number of outputs, an Edge TPU file by itself.",
        "The model is whole, but not what its manifest or edged expects.",
        "`edged model inspect FILE` shows what is in it; correct model.toml, or take a detector or classifier of pictures.",
    ),
    Trouble(
        "model-probe-fails", "model NAME", "fail",
        "edged ends with `the probe process ended`.",
        "The process that tries models does not start here.",
        "Mend what the check of the runtime says; is there memory and room for processes?",
    ),
    Trouble(
        "model-without-labels", "model NAME", "warn",
        "Events call what they see 0, 17, 62.",
        "Neither the file nor a model.toml names the classes.",
        "Give the bundle a model.toml with labels, or a file of them.",
    ),
)  # fmt: skip
