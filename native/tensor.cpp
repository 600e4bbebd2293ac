// What a tensor is: sizes, strides, memory, type, device; owning and borrowing handles; tensors over foreign memory.
#include "tessera.h"

#include <cstring>

namespace tessera {

// Mirrored by Tessera.Native.TensorInfo.
struct TensorInfo {
    const int64_t* sizes;
    const int64_t* strides;
    void* data;     // null for tensors without memory
    void* storage;  // where its storage begins: equal for views and ties
    int64_t storage_bytes;
    int64_t elements;
    int32_t dimensions;
    int32_t dtype;
    int32_t device;
    int32_t flags;  // 1 requires grad, 2 leaf, 4 contiguous, 8 dense and strided
    int32_t item_bytes;
};

}  // namespace tessera

using namespace tessera;

TESSERA_API void tessera_tensor_free(Handle handle) {
    // Dropping the owning reference; a destructor that throws would be a defect of libtorch and ends the process there.
    c10::raw::intrusive_ptr::decref(handle);
}

TESSERA_API void tessera_tensor_retain(Handle handle) { c10::raw::intrusive_ptr::incref(handle); }

// As long as it is watched, no other tensor gets its handle, although its memory goes with its last owner.
TESSERA_API void tessera_tensor_watch(Handle handle) { c10::raw::weak_intrusive_ptr::incref(handle); }

TESSERA_API void tessera_tensor_unwatch(Handle handle) { c10::raw::weak_intrusive_ptr::decref(handle); }

TESSERA_API int32_t tessera_tensor_uses(Handle handle) { return static_cast<int32_t>(c10::raw::intrusive_ptr::use_count(handle)); }

// Sizes and strides point into the tensor: valid while it lives and is not resized.
TESSERA_API int32_t tessera_tensor_info(Handle handle, TensorInfo* info) {
    return guarded([&] {
        auto t = borrow(handle);
        std::memset(static_cast<void*>(info), 0, sizeof(*info));
        info->dimensions = static_cast<int32_t>(t.dim());
        info->sizes = t.sizes().data();
        info->elements = t.numel();
        info->item_bytes = static_cast<int32_t>(t.dtype().itemsize());
        info->dtype = static_cast<int32_t>(t.scalar_type());
        info->device = static_cast<int32_t>(pack_device(t.device()));
        info->flags = (t.requires_grad() ? 1 : 0) | (t.is_leaf() ? 2 : 0);
        if (t.layout() == c10::kStrided) {
            info->strides = t.strides().data();
            info->flags |= (t.is_contiguous() ? 4 : 0) | 8;
            if (t.has_storage() && t.device().type() != c10::kMeta) {
                info->data = t.data_ptr();
                info->storage = const_cast<void*>(static_cast<const void*>(t.storage().data()));
                info->storage_bytes = static_cast<int64_t>(t.storage().nbytes());
            }
        }
    });
}

// How often the values were changed in place; -1 where the engine does not count (tensors made in inference mode).
TESSERA_API int32_t tessera_tensor_version(Handle handle, int64_t* version) {
    return guarded([&] {
        auto t = borrow(handle);
        *version = t.is_inference() ? -1 : static_cast<int64_t>(t._version());
    });
}

// A tensor over memory of the caller, who is told by `freed(context)` when the engine holds it no more.
TESSERA_API int32_t tessera_tensor_from_memory(void* memory, const int64_t* sizes, const int64_t* strides, int32_t dimensions,
    int32_t dtype, void (*freed)(void*), void* context, Handle* result) {
    return guarded([&] {
        auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype));
        at::IntArrayRef shape(sizes, dimensions);
        auto deleter = [freed, context](void*) {
            if (freed != nullptr) freed(context);
        };
        *result = release(strides == nullptr ? at::from_blob(memory, shape, deleter, options)
                                             : at::from_blob(memory, shape, at::IntArrayRef(strides, dimensions), deleter, options));
    });
}
