// Any operator of any library that registers with the dispatcher, by name: arguments come as tagged values and are
// converted to what the operator's own schema asks for, so one entry point serves all of ATen.
#include "tessera.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <cstring>
#include <sstream>

namespace tessera {
namespace {

enum class Kind : uint8_t {
    Tensor,
    TensorList,
    OptionalTensorList,
    Number,
    NumberList,
    Int,
    IntList,
    Double,
    DoubleList,
    Bool,
    BoolList,
    String,
    StringList,
    Device,
    Generator,
    Other
};

struct Operator {
    c10::OperatorHandle handle;
    std::string name;
    std::vector<Kind> kinds;
    std::vector<Optional<c10::IValue>> defaults;
};

Kind kind_of(const c10::TypePtr& type) {
    switch (type->kind()) {
    case c10::TypeKind::OptionalType: return kind_of(type->castRaw<c10::OptionalType>()->getElementType());
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::NumberType: return Kind::Number;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::Int;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return Kind::Double;
    case c10::TypeKind::BoolType: return Kind::Bool;
    case c10::TypeKind::StringType: return Kind::String;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    case c10::TypeKind::GeneratorType: return Kind::Generator;
    case c10::TypeKind::ListType: {
        const auto& element = type->castRaw<c10::ListType>()->getElementType();
        if (element->kind() == c10::TypeKind::OptionalType)
            return kind_of(element) == Kind::Tensor ? Kind::OptionalTensorList : Kind::Other;
        switch (kind_of(element)) {
        case Kind::Tensor: return Kind::TensorList;
        case Kind::Number: return Kind::NumberList;
        case Kind::Int: return Kind::IntList;
        case Kind::Double: return Kind::DoubleList;
        case Kind::Bool: return Kind::BoolList;
        case Kind::String: return Kind::StringList;
        default: return Kind::Other;
        }
    }
    // ScalarType, Layout and MemoryFormat are plain integers in schemas of every version but as kinds of their own in the newest.
    default: {
        auto text = type->str();
        return text == "ScalarType" || text == "Layout" || text == "MemoryFormat" ? Kind::Int : Kind::Other;
    }
    }
}

[[noreturn]] void mismatch(const Operator& op, size_t i, const char* given) {
    const auto& argument = op.handle.schema().arguments()[i];
    throw Failure(ErrorKind::Type,
        op.name + ": argument '" + argument.name() + "' is of type " + argument.type()->str() + ", " + given + " was given");
}

c10::IValue number(const Value& value) {
    switch (value.tag) {
    case Tag::Int: return value.integer;
    case Tag::Double: return value.real;
    case Tag::Bool: return value.integer != 0;
    case Tag::Complex: return c10::complex<double>(static_cast<double*>(value.pointer)[0], static_cast<double*>(value.pointer)[1]);
    default: throw Failure(ErrorKind::Type, "not a number");
    }
}

std::string text(const Value& value) { return std::string(static_cast<const char*>(value.pointer), value.count); }

template <typename T> c10::List<T> list(const Value& value) {
    c10::List<T> result;
    result.reserve(value.count);
    for (int32_t i = 0; i < value.count; i++) result.push_back(static_cast<T>(static_cast<const T*>(value.pointer)[i]));
    return result;
}

c10::IValue convert(const Operator& op, size_t i, const Value& value) {
    auto kind = op.kinds[i];
    auto optional = [&] { return op.handle.schema().arguments()[i].type()->kind() == c10::TypeKind::OptionalType; };
    switch (value.tag) {
    case Tag::Default:
        if (op.defaults[i]) return *op.defaults[i];
        if (!optional()) mismatch(op, i, "nothing, and it has no default,");
        return c10::IValue();
    case Tag::None:
        if (!optional()) mismatch(op, i, "none");
        return c10::IValue();
    case Tag::Tensor:
        if (kind != Kind::Tensor) mismatch(op, i, "a tensor");
        return borrow(static_cast<Handle>(value.pointer));
    case Tag::Int:
        if (kind == Kind::Int || kind == Kind::Number) return value.integer;
        if (kind == Kind::Double) return static_cast<double>(value.integer);
        if (kind == Kind::IntList) return c10::List<int64_t>({value.integer});
        mismatch(op, i, "an integer");
    case Tag::Double:
        if (kind == Kind::Double || kind == Kind::Number) return value.real;
        if (kind == Kind::DoubleList) return c10::List<double>({value.real});
        mismatch(op, i, "a floating-point number");
    case Tag::Bool:
        if (kind == Kind::Bool || kind == Kind::Number) return value.integer != 0;
        mismatch(op, i, "a truth value");
    case Tag::Complex:
        if (kind == Kind::Number) return number(value);
        mismatch(op, i, "a complex number");
    case Tag::String:
        if (kind == Kind::String) return text(value);
        if (kind == Kind::Device) return c10::Device(text(value));
        mismatch(op, i, "a string");
    case Tag::StringList: {
        if (kind != Kind::StringList) mismatch(op, i, "a list of strings");
        c10::List<std::string> strings;
        for (int32_t k = 0; k < value.count; k++) strings.push_back(text(static_cast<const Value*>(value.pointer)[k]));
        return strings;
    }
    case Tag::IntList:
        if (kind == Kind::IntList) return list<int64_t>(value);
        if (kind == Kind::NumberList || kind == Kind::DoubleList) {
            c10::List<double> result;
            for (int32_t k = 0; k < value.count; k++) result.push_back(static_cast<double>(static_cast<const int64_t*>(value.pointer)[k]));
            return result;
        }
        mismatch(op, i, "a list of integers");
    case Tag::DoubleList:
        if (kind != Kind::DoubleList) mismatch(op, i, "a list of floating-point numbers");
        return list<double>(value);
    case Tag::BoolList: {
        if (kind != Kind::BoolList) mismatch(op, i, "a list of truth values");
        c10::List<bool> result;
        for (int32_t k = 0; k < value.count; k++) result.push_back(static_cast<const uint8_t*>(value.pointer)[k] != 0);
        return result;
    }
    case Tag::ScalarList: {
        if (kind != Kind::NumberList) mismatch(op, i, "a list of numbers");
        c10::impl::GenericList result(c10::NumberType::get());
        for (int32_t k = 0; k < value.count; k++) result.push_back(number(static_cast<const Value*>(value.pointer)[k]));
        return result;
    }
    case Tag::TensorList: {
        auto handles = static_cast<const Handle*>(value.pointer);
        if (kind == Kind::TensorList) {
            c10::List<at::Tensor> result;
            result.reserve(value.count);
            for (int32_t k = 0; k < value.count; k++) result.push_back(borrow(handles[k]));
            return result;
        }
        if (kind != Kind::OptionalTensorList) mismatch(op, i, "a list of tensors");
        c10::List<Optional<at::Tensor>> result;
        for (int32_t k = 0; k < value.count; k++)
            result.push_back(handles[k] == nullptr ? Optional<at::Tensor>() : Optional<at::Tensor>(borrow(handles[k])));
        return result;
    }
    case Tag::Device:
        if (kind != Kind::Device) mismatch(op, i, "a device");
        return unpack_device(value.integer);
    case Tag::Generator:
        if (kind != Kind::Generator) mismatch(op, i, "a generator");
        return *static_cast<at::Generator*>(value.pointer);
    }
    throw Failure(ErrorKind::Type, op.name + ": unknown tag of argument " + std::to_string(i));
}

template <typename T, typename List> void return_list(Value& out, Tag tag, const List& values) {
    auto data = static_cast<T*>(std::malloc(std::max<size_t>(1, values.size() * sizeof(T))));
    if (data == nullptr) throw std::bad_alloc();
    for (size_t i = 0; i < values.size(); i++) data[i] = static_cast<T>(values.get(i));
    out.tag = tag, out.pointer = data, out.count = static_cast<int32_t>(values.size());
}

// Lists and strings are malloc'ed for the caller, who frees them.
Value to_value(c10::IValue&& value) {
    Value out{};
    out.count = 0;
    if (value.isTensor()) {
        out.tag = Tag::Tensor, out.pointer = release(std::move(value).toTensor());
    } else if (value.isNone()) {
        out.tag = Tag::None, out.pointer = nullptr;
    } else if (value.isInt()) {
        out.tag = Tag::Int, out.integer = value.toInt();
    } else if (value.isDouble()) {
        out.tag = Tag::Double, out.real = value.toDouble();
    } else if (value.isBool()) {
        out.tag = Tag::Bool, out.integer = value.toBool();
    } else if (value.isString()) {
        const auto& string = value.toStringRef();
        auto data = static_cast<char*>(std::malloc(string.size() + 1));
        if (data == nullptr) throw std::bad_alloc();
        std::memcpy(data, string.data(), string.size());
        out.tag = Tag::String, out.pointer = data, out.count = static_cast<int32_t>(string.size());
    } else if (value.isTensorList()) {
        auto tensors = value.toTensorVector();
        auto data = static_cast<Handle*>(std::malloc(std::max<size_t>(1, tensors.size() * sizeof(Handle))));
        if (data == nullptr) throw std::bad_alloc();
        for (size_t i = 0; i < tensors.size(); i++) data[i] = release(std::move(tensors[i]));
        out.tag = Tag::TensorList, out.pointer = data, out.count = static_cast<int32_t>(tensors.size());
    } else if (value.isIntList()) {
        return_list<int64_t>(out, Tag::IntList, value.toIntList());
    } else if (value.isDoubleList()) {
        return_list<double>(out, Tag::DoubleList, value.toDoubleList());
    } else if (value.isBoolList()) {
        return_list<uint8_t>(out, Tag::BoolList, value.toBoolList());
    } else if (value.isDevice()) {
        out.tag = Tag::Device, out.integer = pack_device(value.toDevice());
    } else if (value.isGenerator()) {
        out.tag = Tag::Generator, out.pointer = new at::Generator(value.toGenerator());
    } else if (value.isScalar() && value.toScalar().isComplex()) {
        auto number = value.toComplexDouble();
        auto data = static_cast<double*>(std::malloc(2 * sizeof(double)));
        if (data == nullptr) throw std::bad_alloc();
        data[0] = number.real(), data[1] = number.imag();
        out.tag = Tag::Complex, out.pointer = data, out.count = 2;
    } else {
        throw Failure(ErrorKind::Type, "an operator returned a value of kind " + value.tagKind() + ", which has no counterpart");
    }
    return out;
}

}  // namespace

std::string describe(const Value& value) {
    std::ostringstream text;
    auto tensor = [&](Handle handle) {
        if (handle == nullptr) {
            text << "none";
            return;
        }
        auto t = borrow(handle);
        text << t.scalar_type() << t.sizes();
        if (!t.is_cpu()) text << " on " << t.device();
    };
    if (value.tag == Tag::Tensor) tensor(static_cast<Handle>(value.pointer));
    if (value.tag == Tag::TensorList) {
        text << "{";
        for (int32_t i = 0; i < value.count; i++) {
            if (i > 0) text << ", ";
            tensor(static_cast<const Handle*>(value.pointer)[i]);
        }
        text << "}";
    }
    if (value.tag == Tag::IntList) text << at::IntArrayRef(static_cast<const int64_t*>(value.pointer), value.count);
    if (value.tag == Tag::Int) text << value.integer;
    if (value.tag == Tag::Double) text << value.real;
    if (value.tag == Tag::Bool) text << (value.integer ? "true" : "false");
    return text.str();
}

}  // namespace tessera

using namespace tessera;

// Finds an operator ("aten::add", "Tensor"). The result lives as long as the process.
TESSERA_API int32_t tessera_operator(const char* name, const char* overload, void** result) {
    return guarded([&] {
        auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
        if (!handle)
            throw Failure(ErrorKind::UnknownOperator,
                std::string("no operator ") + name + (*overload ? "." : "") + overload + " in libtorch " + TORCH_VERSION);
        auto op = new Operator{*handle, std::string(name) + (*overload ? "." : "") + overload, {}, {}};
        for (const auto& argument : handle->schema().arguments()) {
            op->kinds.push_back(kind_of(argument.type()));
            op->defaults.push_back(argument.default_value());
        }
        *result = op;
    });
}

// Calls it. Fewer arguments than the schema has are filled with its defaults, so that one source serves versions whose
// schemas gained trailing arguments. Returns are written to `returns`, which has room for `capacity`.
TESSERA_API int32_t tessera_call(void* opaque, const Value* arguments, int32_t count, Value* returns, int32_t capacity, int32_t* returned) {
    auto& op = *static_cast<Operator*>(opaque);
    return guarded(
        [&] {
            if (static_cast<size_t>(count) > op.kinds.size())
                throw Failure(ErrorKind::Type, op.name + " takes " + std::to_string(op.kinds.size()) +
                                                   " arguments in libtorch " TORCH_VERSION ", " + std::to_string(count) + " were given");
            std::vector<c10::IValue> stack;
            stack.reserve(std::max<size_t>(op.kinds.size(), 4));
            static const Value missing{{nullptr}, Tag::Default, 0};
            for (size_t i = 0; i < op.kinds.size(); i++)
                stack.push_back(convert(op, i, i < static_cast<size_t>(count) ? arguments[i] : missing));
            op.handle.callBoxed(&stack);
            if (stack.size() > static_cast<size_t>(capacity))
                throw Failure(ErrorKind::Type,
                    op.name + " returned " + std::to_string(stack.size()) + " values, room was for " + std::to_string(capacity));
            for (size_t i = 0; i < stack.size(); i++) returns[i] = to_value(std::move(stack[i]));
            *returned = static_cast<int32_t>(stack.size());
        },
        [&] {
            std::string text = " [" + op.name + "(";
            const auto& formal = op.handle.schema().arguments();
            bool first = true;
            for (size_t i = 0; i < std::min<size_t>(count, formal.size()); i++) {
                auto part = describe(arguments[i]);
                if (part.empty()) continue;
                text += (first ? "" : ", ") + formal[i].name() + " " + part;
                first = false;
            }
            return text + ")]";
        });
}

// The schema of an operator as text; the caller frees it.
TESSERA_API int32_t tessera_operator_schema(void* opaque, char** result) {
    return guarded([&] {
        std::ostringstream text;
        text << static_cast<Operator*>(opaque)->handle.schema();
        *result = strdup(text.str().c_str());
    });
}

// Every registered schema, a line each; the caller frees it.
TESSERA_API int32_t tessera_all_schemas(char** result) {
    return guarded([&] {
        std::ostringstream text;
        for (const auto& name : c10::Dispatcher::singleton().getAllOpNames())
            if (auto handle = c10::Dispatcher::singleton().findSchema(name)) text << handle->schema() << '\n';
        *result = strdup(text.str().c_str());
    });
}

TESSERA_API void tessera_free(void* memory) { std::free(memory); }
