"""The messages of ``inference.GRPCInferenceService`` that are answered here, built when this module is imported.

One line a message: ``name type number`` for each field, ``*`` before the type of a repeated one, ``{}`` a map to
``InferParameter``. Names and numbers are those of the public interface (Open Inference Protocol v2, as Triton has it),
which they make compatible on the wire; fields that are not here are skipped by protobuf.

They live in a descriptor pool of their own, so that a client's generated code may be loaded in the same process.

https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

PACKAGE: Final = "inference"

_MESSAGES: Final = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live bool 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready bool 1",
    "ModelReadyRequest": "name string 1, version string 2",
    "ModelReadyResponse": "ready bool 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name string 1, version string 2, extensions *string 3",
    "ModelMetadataRequest": "name string 1, version string 2",
    "ModelMetadataResponse": "name string 1, versions *string 2, platform string 3, inputs *TensorMetadata 4, "
    "outputs *TensorMetadata 5",
    "TensorMetadata": "name string 1, datatype string 2, shape *int64 3",
    "InferParameter": "bool_param bool 1, int64_param int64 2, string_param string 3, double_param double 4, "
    "uint64_param uint64 5",
    "InferTensorContents": "bool_contents *bool 1, int_contents *int32 2, int64_contents *int64 3, "
    "uint_contents *uint32 4, uint64_contents *uint64 5, fp32_contents *float 6, fp64_contents *double 7, "
    "bytes_contents *bytes 8",
    "InferInputTensor": "name string 1, datatype string 2, shape *int64 3, parameters {} 4, "
    "contents InferTensorContents 5",
    "InferRequestedOutputTensor": "name string 1, parameters {} 2",
    "ModelInferRequest": "model_name string 1, model_version string 2, id string 3, parameters {} 4, "
    "inputs *InferInputTensor 5, outputs *InferRequestedOutputTensor 6, raw_input_contents *bytes 7",
    "InferOutputTensor": "name string 1, datatype string 2, shape *int64 3, parameters {} 4",
    "ModelInferResponse": "model_name string 1, model_version string 2, id string 3, parameters {} 4, "
    "outputs *InferOutputTensor 5, raw_output_contents *bytes 6",
    "RepositoryIndexRequest": "repository_name string 1, ready bool 2",
    "ModelIndex": "name string 1, version string 2, state string 3, reason string 4",
    "RepositoryIndexResponse": "models *ModelIndex 1",
}
_ONE_OF: Final = {"InferParameter": "parameter_choice"}

_Field = descriptor_pb2.FieldDescriptorProto


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="fleetward/open_inference_grpc.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in _ONE_OF:
            message.oneof_decl.add(name=_ONE_OF[name])
        for text in filter(None, fields.split(", ")):
            _add(message, text)
    return file


def _add(message: descriptor_pb2.DescriptorProto, text: str) -> None:
    name, kind, number = text.split()
    field = message.field.add(name=name, number=int(number))
    field.label = _Field.LABEL_REPEATED if kind[0] in "*{" else _Field.LABEL_OPTIONAL
    if message.name in _ONE_OF:
        field.oneof_index = 0
    if kind == "{}":
        kind = f"{message.name}.{_map_entry(message).name}"
    _set_type(field, kind.lstrip("*"))


def _set_type(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind[0].isupper():
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")


def _map_entry(message: descriptor_pb2.DescriptorProto) -> descriptor_pb2.DescriptorProto:
    """A map is a repeated message of two fields (protobuf's language guide, "Maps")."""
    entry = message.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    _add(entry, "key string 1")
    _add(entry, "value InferParameter 2")
    return entry


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def message(name: str) -> type[Any]:
    """The class of a message. Its fields come from the table, so no type checker knows them."""
    found: type[Any] = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))
    return found
