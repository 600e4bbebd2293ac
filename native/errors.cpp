// Every C++ exception, of whatever type, becomes a kind and a message; none leaves the library.
#include "tessera.h"

#include <cxxabi.h>
#include <new>

#ifdef USE_C10D_GLOO
#include <gloo/common/error.h>
#endif

namespace tessera {
namespace {

thread_local std::string last_message;

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// libtorch raises shape errors as plain c10::Error: its wording is all that tells them apart.
ErrorKind kind_of_engine_message(const std::string& text) {
    if (contains(text, "can't allocate memory") || contains(text, "not enough memory") || contains(text, "out of memory"))
        return ErrorKind::OutOfMemory;
    // What other processes do not answer, in the words of gloo, NCCL and c10d's store.
    static const char* communication_words[] = {"gloo/", "NCCL", "Connection reset by peer", "Connection closed", "Connection refused",
        "Broken pipe", "Socket Timeout", "socket has timed out", "Timed out waiting", "timed out after", "client socket", "server socket"};
    for (auto word : communication_words)
        if (contains(text, word)) return ErrorKind::Communication;
    static const char* shape_words[] = {"must match the size", "shapes cannot be multiplied", "size mismatch",
        "is invalid for input of size", "Sizes of tensors must match", "expected input", "Expected size", "shape mismatch",
        "not compatible with input shape", "dimension", "weight of size", "normalized_shape", "must have same", "same shape",
        "stack expects each tensor to be equal size", "size of tensor", "size is too small", "is inconsistent with", "broadcast",
        "batch_size", "must be equal", "kernel size can't be greater", "same size"};
    for (auto word : shape_words)
        if (contains(text, word)) return ErrorKind::Shape;
    if (contains(text, "Could not run '") || contains(text, "not implemented for")) return ErrorKind::NotImplemented;
    return ErrorKind::Engine;
}

int32_t remember(ErrorKind kind, std::string message, const std::function<std::string()>& context) noexcept {
    try {
        // Only the first paragraph: what follows are stack traces and lists of dispatch keys.
        auto end = message.find("\nException raised from");
        if (end != std::string::npos) message.resize(end);
        if (context) message += context();
        last_message = std::move(message);
    } catch (...) {
        last_message.clear();  // out of memory while describing an error: the kind alone has to do
    }
    return static_cast<int32_t>(kind);
}

}  // namespace

int32_t record_current_exception(const std::function<std::string()>& context) noexcept {
    try {
        throw;
    } catch (const Failure& e) {
        return remember(e.kind, e.message, e.kind == ErrorKind::Callback ? nullptr : context);
    } catch (const c10::OutOfMemoryError& e) {
        return remember(ErrorKind::OutOfMemory, e.what_without_backtrace(), context);
    } catch (const c10::IndexError& e) {
        std::string message = e.what_without_backtrace();
        return remember(contains(message, "Dimension out of range") ? ErrorKind::Shape : ErrorKind::Index, message, context);
    } catch (const c10::TypeError& e) {
        return remember(ErrorKind::Type, e.what_without_backtrace(), context);
    } catch (const c10::ValueError& e) {
        return remember(ErrorKind::Value, e.what_without_backtrace(), context);
    } catch (const c10::NotImplementedError& e) {
        return remember(ErrorKind::NotImplemented, e.what_without_backtrace(), context);
    } catch (const c10::Error& e) {
        std::string message = e.what_without_backtrace();
        return remember(kind_of_engine_message(message), message, context);
#ifdef USE_C10D_GLOO
    } catch (const gloo::Exception& e) {
        // Known by type: an exchange that fails because another one timed out has a message that names neither gloo nor a connection.
        return remember(ErrorKind::Communication, e.what(), context);
#endif
    } catch (const std::bad_alloc& e) {
        return remember(ErrorKind::OutOfMemory, std::string("out of memory: ") + e.what(), context);
    } catch (const std::exception& e) {
        std::string message = e.what();
        return remember(kind_of_engine_message(message), message, context);
    } catch (...) {
        auto type = abi::__cxa_current_exception_type();
        return remember(ErrorKind::Foreign, std::string("foreign C++ exception of type ") + (type ? type->name() : "unknown"), context);
    }
}

}  // namespace tessera

// The message of the last failed call of this thread; valid until its next one fails.
TESSERA_API const char* tessera_last_error() { return tessera::last_message.c_str(); }

// Raises exceptions of every kind on purpose: the tests see each arrive as its typed .NET counterpart.
TESSERA_API int32_t tessera_raise(int32_t what) {
    return tessera::guarded([&] {
        switch (what) {
        case 0: throw std::bad_alloc();
        case 1: throw 42;
        case 2: throw std::string("a string");
        case 3: throw std::runtime_error("a runtime error");
        case 4: TORCH_CHECK(false, "an engine error");
        case 5: TORCH_CHECK_INDEX(false, "an index error");
        case 6: TORCH_CHECK_TYPE(false, "a type error");
        case 7: TORCH_CHECK_VALUE(false, "a value error");
        case 8: TORCH_CHECK_NOT_IMPLEMENTED(false, "not implemented here");
        case 9: throw std::out_of_range("out of range");
#ifdef USE_C10D_GLOO
        case 10: throw gloo::IoException("Application timeout caused pair closure");
#endif
        default: throw tessera::Failure(tessera::ErrorKind::Foreign, "unknown request");
        }
    });
}
