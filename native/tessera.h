// The C ABI between Tessera and libtorch. Every function returns a status: 0, or the kind of the error whose message
// tessera_last_error gives. Tensors cross as owning TensorImpl pointers; a null pointer is an undefined tensor.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>
#include <torch/version.h>

#define TESSERA_API extern "C" __attribute__((visibility("default")))
#define TESSERA_TORCH_AT_LEAST(major, minor)                                                                                               \
    (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace tessera {

// Number of this ABI, mirrored by Tessera.Native.Library.Abi: raised whenever a function, a struct or the meaning of a value
// changes, so that a shim and an assembly of different builds say so instead of misunderstanding each other.
constexpr int32_t abi = 6;

using Handle = c10::TensorImpl*;

// The engine's own until they became the standard's; what it called them is being taken away.
#if TESSERA_TORCH_AT_LEAST(2, 6)
template <typename T> using Optional = std::optional<T>;
using StringView = std::string_view;
#else
template <typename T> using Optional = c10::optional<T>;
using StringView = c10::string_view;
#endif

// Mirrored by Tessera.Native.ErrorKind.
enum class ErrorKind : int32_t {
    None = 0,
    Engine = 1,
    Shape = 2,
    OutOfMemory = 3,
    UnknownOperator = 4,
    Index = 5,
    Type = 6,
    Value = 7,
    NotImplemented = 8,
    Callback = 9,
    Foreign = 10,
    Communication = 11,
};

// Mirrored by Tessera.Native.Tag.
enum class Tag : int32_t {
    Default = 0,  // the schema's own default
    None = 1,
    Tensor = 2,
    Int = 3,
    Double = 4,
    Bool = 5,
    String = 6,       // UTF-8, count bytes
    IntList = 7,      // int64*
    DoubleList = 8,   // double*
    BoolList = 9,     // uint8*
    TensorList = 10,  // Handle*, null entries are undefined
    Device = 11,      // type << 8 | (index & 0xff), index -1: the current one
    Generator = 12,   // at::Generator*
    ScalarList = 13,  // Value*
    Complex = 14,     // double[2]
    StringList = 15,  // Value* of strings
};

struct Value {
    union {
        void* pointer;
        int64_t integer;
        double real;
    };
    Tag tag;
    int32_t count;
};
static_assert(sizeof(Value) == 16);

// An error of this library, with its kind chosen where it is raised.
struct Failure : std::exception {
    ErrorKind kind;
    std::string message;
    Failure(ErrorKind kind, std::string message) : kind(kind), message(std::move(message)) {}
    const char* what() const noexcept override { return message.c_str(); }
};

int32_t record_current_exception(const std::function<std::string()>& context) noexcept;

// Runs the body; whatever it throws becomes a status and a message. No exception crosses the C ABI.
template <typename Body> int32_t guarded(Body&& body, const std::function<std::string()>& context = nullptr) noexcept {
    try {
        body();
        return 0;
    } catch (...) { return record_current_exception(context); }
}

inline at::Tensor borrow(Handle handle) {
    return handle == nullptr ? at::Tensor()
                             : at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(handle));
}

inline Handle release(at::Tensor tensor) { return tensor.defined() ? tensor.unsafeReleaseTensorImpl() : nullptr; }

inline std::vector<at::Tensor> borrow_all(Handle const* handles, int32_t count) {
    std::vector<at::Tensor> tensors;
    tensors.reserve(count);
    for (int32_t i = 0; i < count; i++) tensors.push_back(borrow(handles[i]));
    return tensors;
}

inline c10::Device unpack_device(int64_t packed) {
    return c10::Device(static_cast<c10::DeviceType>(packed >> 8), static_cast<c10::DeviceIndex>(static_cast<int8_t>(packed & 0xff)));
}

inline int64_t pack_device(c10::Device device) {
    return (static_cast<int64_t>(device.type()) << 8) | (static_cast<int64_t>(device.index()) & 0xff);
}

std::string describe(const Value& value);

}  // namespace tessera
